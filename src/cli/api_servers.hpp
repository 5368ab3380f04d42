// ApiServers: which API servers a node's agent may go to. Its kubeconfig names the cluster's endpoint; the
// others are those that the kubernetes Service points to, kept in a file so that a node that starts while its
// endpoint is away finds them. Where gossip says that the node of the server in use is dead, the agent leaves
// it at once, where TCP alone would take the better part of a minute to notice.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/discovery_v1.hpp"
#include "client/connection.hpp"
#include "client/informers.hpp"
#include "gossip/membership.hpp"
#include "runtime/scope.hpp"

namespace cloudless::cli {

/// "https://192.0.2.1:6443", sorted, of the slice default/kubernetes.
std::vector<std::string> api_server_urls(const api::discovery::v1::EndpointSlice& slice);
/// Whether the URL's host is the address of a node that is dead or has left.
bool is_of_dead_node(const std::string& url, const gossip::MembershipView& view);

class ApiServers {
 public:
  /// `file`: where they are kept. The connection outlives this.
  ApiServers(std::string file, client::Connection& connection);
  /// From the file. Blocking.
  void load();
  /// Follows the Service and the nodes from now on. The references outlive the scope's tasks.
  void start(runtime::TaskScope& scope, client::Informers& informers, gossip::Membership& membership);

 private:
  runtime::Task<void> leave_dead_servers(gossip::Membership& membership);
  void take(std::vector<std::string> urls);

  const std::string file_;
  client::Connection& connection_;
  std::vector<std::string> known_;
  std::shared_ptr<runtime::Signal> changed_ = std::make_shared<runtime::Signal>();
  std::shared_ptr<void> subscription_;
};

}  // namespace cloudless::cli
