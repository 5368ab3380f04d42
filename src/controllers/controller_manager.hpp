// ControllerManager: all controllers of the cluster in one role (kube-controller-manager). Wired by cli/:
//
//   ControllerManager manager(options, client, informers, executor, random, log);
//   co_await manager.start();   ...   co_await manager.stop();
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controllers/controller.hpp"
#include "controllers/node_ipam.hpp"
#include "controllers/token_secret.hpp"
#include "pki/certificate.hpp"

namespace cloudless::controllers {

class NodeLifecycleController;

struct ControllerManagerOptions {
  /// kube-controller-manager's --controllers: names, "*" for all, "-name" for all but this.
  std::vector<std::string> controllers = {"*"};
  /// --cluster-cidr and the node masks; no CIDRs: nodes get none.
  NodeIpamOptions node_ipam;
  /// PEM of the CA that pods are to trust; empty: no kube-root-ca.crt.
  std::string root_ca;
  /// Signs tokens of Secrets for ServiceAccounts; null: such Secrets stay empty.
  MintToken mint_token;
  /// Signs certificates for nodes; nothing: no signing.
  std::optional<pki::Ca> cluster_signing_ca;
  Duration cluster_signing_duration = std::chrono::hours(24 * 365);
};

class ControllerManager {
 public:
  /// Everything given outlives the manager. `informers` may be shared with other roles of the process; they
  /// keep calling the controllers' handlers, so they are stopped before the manager is destroyed.
  ControllerManager(ControllerManagerOptions options, const client::Client& client,
                    client::Informers& informers, runtime::Executor& executor, Random& random, Logger log);
  ~ControllerManager();

  /// Starts the controllers; each works once what it reads is synced. kInvalid for an unknown name in
  /// `controllers`.
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

  /// The nodes that a faster failure detector (gossip) calls dead: their silence counts at once. On the
  /// executor's thread.
  void set_dead_nodes(const std::set<std::string>& nodes);

  /// The names that `controllers` may hold.
  static std::vector<std::string> known_controllers();

 private:
  bool enabled(std::string_view name) const;

  const ControllerManagerOptions options_;
  runtime::TaskScope scope_;
  client::EventRecorder recorder_;
  const Deps deps_;
  std::vector<ControllerPtr> controllers_;
  NodeLifecycleController* node_lifecycle_ = nullptr;
};

}  // namespace cloudless::controllers
