// ControlRoles: what works on a cluster's objects beside its API server: the controllers, the load balancer's
// allocator, the Service of the cluster DNS and the signer of cluster-info. `up` runs them in the API
// server's process, `controller-manager` by themselves.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "client/informers.hpp"
#include "controllers/controller_manager.hpp"
#include "net/address.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::cli {

struct ControlRolesOptions {
  std::string node_name;
  controllers::ControllerManagerOptions controllers;
  net::IpAddress cluster_dns;
  /// kube-controller-manager's bootstrapsigner and tokencleaner.
  bool signs_cluster_info = true;
};

/// Tokens of Secrets, signed with the service accounts' key.
controllers::MintToken token_minter(pki::PrivateKey key);

class ControlRoles {
 public:
  /// All references outlive this; the informers are stopped before it is destroyed.
  ControlRoles(ControlRolesOptions options, const client::Client& client, client::Informers& informers,
               runtime::EventLoop& loop, Random& random, Logger log);
  ~ControlRoles();

  /// The first failure ends the start; stop() is then still due.
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

  /// The nodes that gossip calls dead, for the node lifecycle controller. On the loop's thread.
  void set_dead_nodes(const std::set<std::string>& nodes);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace cloudless::cli
