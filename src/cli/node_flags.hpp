// The flags of every command that runs a node.
#pragma once

#include <string>
#include <vector>

#include "cli/flag_set.hpp"
#include "cli/node_agent.hpp"
#include "cli/service.hpp"

namespace CLI {
class App;
}

namespace cloudless::cli {

struct NodeFlags {
  std::string data_dir = "/var/lib/cloudless";
  std::string node_name;
  std::string node_ip;
  std::vector<std::string> dns_listen;
  std::vector<std::string> images;
  std::string runtime_endpoint;
  std::string cgroup_root = "/";
  std::vector<std::string> node_labels;           // "key=value"
  std::vector<std::string> register_with_taints;  // "key=value:Effect"
  uint16_t kubelet_port = 10250;
  uint16_t gossip_port;
  bool detach = false;
  LogOptions log;

  NodeFlags();
  void add_to(CLI::App& command);
  /// The same, for a command that takes the kubelet's place.
  void bind(FlagSet& set);
  /// The flags by which `kubelet` runs the same node again: those that have other values than by default,
  /// without
  /// --detach and what concerns the log.
  std::vector<std::string> arguments() const;
  ServiceOptions service() const { return {data_dir, detach, log}; }
  /// What the flags say of the node; what the cluster says (its networks, its key) is left to the caller.
  /// kInvalid for an address that is none, kNotFound where there is none to choose.
  Result<NodeAgentOptions> agent_options() const;
};

/// kubeadm's choice: the tenth address of the Service network.
net::IpAddress cluster_dns_address(const net::Prefix& services);

}  // namespace cloudless::cli
