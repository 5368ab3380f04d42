// HealthChecks: what outside load balancers ask about Services with externalTrafficPolicy Local, on their
// healthCheckNodePort: does this node have an endpoint? 200 where it has, 503 where not (upstream:
// pkg/proxy/healthcheck).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "net/server.hpp"

namespace cloudless::network {

struct HealthCheck {
  std::string ns;
  std::string name;
  size_t local_endpoints = 0;
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

/// The JSON that answers a check.
std::string format_health(const HealthCheck& check);

/// Used on its loop's thread.
class HealthChecks {
 public:
  HealthChecks(runtime::EventLoop& loop, Logger log) : loop_(loop), log_(std::move(log)) {}

  /// Replaces what is answered, by port. A port that is taken is logged and left.
  runtime::Task<void> set(std::map<uint16_t, HealthCheck> checks);
  runtime::Task<void> stop() { return set({}); }

 private:
  struct Listener {
    std::shared_ptr<HealthCheck> check;
    std::unique_ptr<net::Server> server;
  };
  void listen(uint16_t port, const HealthCheck& check);

  runtime::EventLoop& loop_;
  Logger log_;
  std::map<uint16_t, Listener> listeners_;
};

}  // namespace cloudless::network
