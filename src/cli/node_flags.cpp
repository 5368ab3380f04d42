#include "cli/node_flags.hpp"

#include <CLI/CLI.hpp>

#include "cli/node_address.hpp"
#include "gossip/gossip.hpp"

namespace cloudless::cli {

NodeFlags::NodeFlags() : gossip_port(gossip::kDefaultPort) {}

void NodeFlags::add_to(CLI::App& command) {
  command.add_option("--data-dir", data_dir, "Where everything is kept")->capture_default_str();
  command.add_option("--node-name", node_name, "This node's name (default: the machine's)");
  command.add_option("--node-ip", node_ip, "The address that others reach this node by");
  command.add_option("--dns-listen", dns_listen,
                     "ADDRESS:PORT to answer DNS on (default: the node's, port 53)");
  command.add_option("--image", images, "An OCI archive whose image pods may use without a registry");
  command.add_option("--container-runtime-endpoint", runtime_endpoint,
                     "A CRI socket, unix:///... (default: a containerd of our own)");
  command.add_option("--cgroup-root", cgroup_root, "The cgroup that holds the pods'")->capture_default_str();
  command.add_option("--kubelet-port", kubelet_port, "The node agent's port")->capture_default_str();
  command.add_option("--gossip-port", gossip_port, "The UDP port by which nodes watch each other")
      ->capture_default_str();
  command.add_flag("--detach", detach, "Return once it is ready; it goes on in the background");
  log.add_to(command);
}

Result<NodeAgentOptions> NodeFlags::agent_options() const {
  NodeAgentOptions agent;
  agent.node_name = node_name.empty() ? detect_node_name() : node_name;
  agent.node_ip = node_ip.empty() ? TRY(detect_node_address()) : TRY(net::IpAddress::parse(node_ip));
  agent.data_dir = data_dir;
  agent.runtime_endpoint = runtime_endpoint;
  agent.cgroup_root = cgroup_root;
  for (const std::string& text : dns_listen) agent.dns_listen.push_back(TRY(net::SocketAddress::parse(text)));
  if (agent.dns_listen.empty()) agent.dns_listen = {{agent.node_ip, 53}};
  agent.kubelet_port = kubelet_port;
  agent.gossip_port = gossip_port;
  agent.image_archives = images;
  return agent;
}

net::IpAddress cluster_dns_address(const net::Prefix& services) { return services.masked().address.plus(10); }

}  // namespace cloudless::cli
