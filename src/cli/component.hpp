// Component: a control-plane component that runs by itself against an API server, as kube-controller-manager
// and kube-scheduler do: who it is from a kubeconfig, which is read again when it is renewed; leader
// election; health and metrics over HTTPS; signals.
//
// A component that loses its lease ends with an error, as upstream's: whoever supervises it starts it again,
// with nothing left of what it had begun.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/metrics.hpp"
#include "cli/command.hpp"
#include "cli/flag_set.hpp"
#include "client/informers.hpp"
#include "client/leader_election.hpp"
#include "net/address.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::cli {

struct ComponentFlags {
  std::string name;  // "kube-scheduler": lease, user agent
  std::string kubeconfig;
  bool leader_elect = true;
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  std::string lease_namespace = "kube-system";
  std::string lease_name;  // empty: the component's name
  std::string bind_address = "0.0.0.0";
  uint16_t secure_port = 0;
  std::string certificate;  // both empty: one that the component signs itself
  std::string key;
  LogOptions log;
  int64_t verbosity = 0;

  /// Flags that every component of upstream has.
  void bind(FlagSet& set);
  /// --v counts where --log-level is not given.
  Logger make_logger(const FlagSet& set) const;
};

/// Adds a command whose whole line goes to `run`, which parses it as pflag does.
void add_flag_set_command(CLI::App& app, Invocation& invocation, const std::string& name,
                          const std::string& description,
                          int (*run)(const std::vector<std::string>& arguments));
/// Parses the line; a status to exit with where help was asked for or the line makes no sense.
std::optional<int> parse_command_line(const std::string& command, FlagSet& set,
                                      const std::vector<std::string>& arguments);
/// Tells of the flags that are taken and do nothing.
void notice_ineffective(const std::vector<std::string>& names, const Logger& log);

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
int run_component(const ComponentFlags& flags, const Logger& log, const MakeRole& make_role);

}  // namespace cloudless::cli
