// Forwarder: asks upstream resolvers for names that no zone here holds, and keeps their answers.
//
// Each question leaves from a socket of its own, so the kernel draws the source port, with a random id (RFC
// 5452). The upstream that answered last is asked first. A truncated answer is passed on as it is: the client
// comes back by TCP, and then TCP is used upstream too.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/random.hpp"
#include "dns/cache.hpp"
#include "dns/upstream.hpp"
#include "net/address.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::dns {

enum class Carrier { kUdp, kTcp };

struct ForwarderOptions {
  std::vector<net::SocketAddress> upstreams;
  Duration attempt_limit = std::chrono::seconds(2);  // as CoreDNS' forward plugin has it
  int rounds = 2;                                    // how often the list is gone through
  size_t max_inflight = 1000;                        // questions under way; more are answered SERVFAIL
};

class Forwarder {
 public:
  /// Used on `loop`'s thread only.
  Forwarder(runtime::EventLoop& loop, ForwarderOptions options, Random& random, Logger log);

  /// The response packet for `query`. kUnavailable where no upstream answers, kResourceExhausted where too
  /// many questions are under way.
  runtime::Task<Result<std::string>> resolve(Query query, Carrier carrier);

 private:
  runtime::Task<Result<std::string>> ask_upstreams(const Query& query, Carrier carrier);
  runtime::Task<Result<std::string>> ask(net::SocketAddress upstream, std::string packet,
                                         std::string question, Carrier carrier);

  runtime::EventLoop& loop_;
  const ForwarderOptions options_;
  Random& random_;
  Logger log_;
  Cache cache_;
  size_t preferred_ = 0;
  size_t inflight_ = 0;
};

}  // namespace cloudless::dns
