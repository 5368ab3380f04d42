// Component: a control-plane component that runs by itself against an API server, as kube-controller-manager
// and kube-scheduler do: who it is from a kubeconfig, which is read again when it is renewed; leader
// election; health and metrics over HTTPS; signals.
//
// A component that loses its lease ends with an error, as upstream's: whoever supervises it starts it again,
// with nothing left of what it had begun.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/metrics.hpp"
#include "cli/command.hpp"
#include "client/informers.hpp"
#include "client/leader_election.hpp"
#include "net/address.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::cli {

struct ComponentFlags {
  std::string name;  // "kube-scheduler": lease, user agent
  std::string kubeconfig;
  bool leader_elect = true;
  std::string lease_duration = "15s";
  std::string renew_deadline = "10s";
  std::string retry_period = "2s";
  std::string lease_namespace = "kube-system";
  std::string lease_name;  // empty: the component's name
  std::string bind_address = "0.0.0.0";
  uint16_t secure_port = 0;
  std::string certificate;  // both empty: one that the component signs itself
  std::string key;
  LogOptions log;
  std::string without_effect;

  /// Flags that every component of upstream has. `ignored`: those of this one that change nothing here.
  void add_to(CLI::App& command, const std::vector<const char*>& ignored);
};

/// What a component's role works with.
struct ComponentParts {
  const client::Client& client;
  client::Informers& informers;
  runtime::EventLoop& loop;
  Random& random;
  metrics::Registry& registry;
  Logger log;
};

/// What a component does while it leads.
class ComponentRole {
 public:
  virtual ~ComponentRole() = default;
  virtual runtime::Task<Result<>> start() = 0;
  virtual runtime::Task<void> stop() = 0;
};

using MakeRole = std::function<std::unique_ptr<ComponentRole>(const ComponentParts& parts)>;

/// Blocks until a signal ends the program or the lease is lost. The exit status.
int run_component(const ComponentFlags& flags, const MakeRole& make_role);

}  // namespace cloudless::cli
