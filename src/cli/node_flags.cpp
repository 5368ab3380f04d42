#include "cli/node_flags.hpp"

#include <CLI/CLI.hpp>

#include "base/strings.hpp"
#include "cli/node_address.hpp"
#include "gossip/gossip.hpp"

namespace cloudless::cli {

NodeFlags::NodeFlags() : gossip_port(gossip::kDefaultPort) {}

void NodeFlags::add_to(CLI::App& command) {
  command.add_option("--data-dir", data_dir, "Where everything is kept")->capture_default_str();
  command.add_option("--node-name,--hostname-override", node_name,
                     "This node's name (default: the machine's)");
  command.add_option("--node-ip", node_ip, "The address that others reach this node by");
  command.add_option("--dns-listen", dns_listen,
                     "ADDRESS:PORT to answer DNS on (default: the node's, port 53)");
  command.add_option("--image", images, "An OCI archive whose image pods may use without a registry");
  command.add_option("--container-runtime-endpoint,--cri-socket", runtime_endpoint,
                     "A CRI socket, unix:///... (default: a containerd of our own)");
  command.add_option("--cgroup-root", cgroup_root, "The cgroup that holds the pods'")->capture_default_str();
  command.add_option("--node-labels", node_labels, "KEY=VALUE labels to register the node with")
      ->delimiter(',');
  command
      .add_option("--register-with-taints", register_with_taints, "KEY=VALUE:EFFECT taints to register with")
      ->delimiter(',');
  command.add_option("--kubelet-port,--port", kubelet_port, "The node agent's port")->capture_default_str();
  command.add_option("--gossip-port", gossip_port, "The UDP port by which nodes watch each other")
      ->capture_default_str();
  command.add_flag("--detach", detach, "Return once it is ready; it goes on in the background");
  log.add_to(command);
}

void NodeFlags::bind(FlagSet& set) {
  set.text("data-dir", data_dir, "Where everything is kept");
  for (const char* name : {"hostname-override", "node-name"})
    set.text(name, node_name, "This node's name (default: the machine's)");
  set.text("node-ip", node_ip, "The address that others reach this node by");
  set.repeated("dns-listen", dns_listen, "ADDRESS:PORT to answer DNS on (default: the node's, port 53)");
  set.repeated("image", images, "An OCI archive whose image pods may use without a registry");
  for (const char* name : {"container-runtime-endpoint", "cri-socket"})
    set.text(name, runtime_endpoint, "A CRI socket, unix:///... (default: a containerd of our own)");
  set.text("cgroup-root", cgroup_root, "The cgroup that holds the pods'");
  set.list("node-labels", node_labels, "KEY=VALUE labels to register the node with");
  set.list("register-with-taints", register_with_taints, "KEY=VALUE:EFFECT taints to register with");
  for (const char* name : {"port", "kubelet-port"}) set.port(name, kubelet_port, "The node agent's port");
  set.port("gossip-port", gossip_port, "The UDP port by which nodes watch each other");
  set.truth("detach", detach, "Return once it is ready; it goes on in the background");
  set.text("log-level", log.level, "What to log: debug, info, warn or error");
  for (const char* name : {"logging-format", "log-format"}) set.text(name, log.format, "text or json");
}

std::vector<std::string> NodeFlags::arguments() const {
  const NodeFlags usual;
  std::vector<std::string> out;
  const auto add = [&out](std::string_view name, const auto& value, const auto& by_default) {
    if (value != by_default) out.push_back(fmt::format("--{}={}", name, value));
  };
  const auto add_each = [&out](std::string_view name, const std::vector<std::string>& values) {
    for (const std::string& value : values) out.push_back(fmt::format("--{}={}", name, value));
  };
  add("data-dir", data_dir, usual.data_dir);
  add("hostname-override", node_name, usual.node_name);
  add("node-ip", node_ip, usual.node_ip);
  add_each("dns-listen", dns_listen);
  add_each("image", images);
  add("container-runtime-endpoint", runtime_endpoint, usual.runtime_endpoint);
  add("cgroup-root", cgroup_root, usual.cgroup_root);
  add_each("node-labels", node_labels);
  add_each("register-with-taints", register_with_taints);
  add("port", kubelet_port, usual.kubelet_port);
  add("gossip-port", gossip_port, usual.gossip_port);
  return out;
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
  for (const std::string& label : node_labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Code::kInvalid, "--node-labels: {} is not of the form KEY=VALUE", quote(label));
    agent.node_labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  agent.register_with_taints = register_with_taints;
  return agent;
}

net::IpAddress cluster_dns_address(const net::Prefix& services) { return services.masked().address.plus(10); }

}  // namespace cloudless::cli
