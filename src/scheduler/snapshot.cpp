#include "scheduler/snapshot.hpp"

namespace cloudless::scheduler {

std::vector<HostPort> host_ports_of(const Pod& pod) {
  std::vector<HostPort> ports;
  const auto collect = [&ports](const api::core::v1::Container& container) {
    for (const auto& port : container.ports) {
      if (port.hostPort <= 0) continue;
      ports.push_back({port.protocol.empty() ? "TCP" : port.protocol,
                       port.hostIP.empty() ? "0.0.0.0" : port.hostIP, port.hostPort});
    }
  };
  for (const auto& container : pod.spec.containers) collect(container);
  for (const auto& container : pod.spec.initContainers) {
    if (container.restartPolicy == "Always") collect(container);
  }
  return ports;
}

bool conflict(const HostPort& a, const HostPort& b) {
  const bool meet = a.address == b.address || a.address == "0.0.0.0" || b.address == "0.0.0.0";
  return a.protocol == b.protocol && a.port == b.port && meet;
}

void NodeInfo::set_node(NodePtr value) {
  node = std::move(value);
  allocatable = amounts_of(node->status.allocatable);
  images.clear();
  for (const auto& image : node->status.images) {
    for (const std::string& name : image.names) images[name] = image.sizeBytes;
  }
}

void NodeInfo::add(const PodPtr& pod) {
  if (!pods.emplace(pod->metadata.uid, pod).second) return;
  requested += requests_of(*pod);
  requested_nonzero += nonzero_requests_of(*pod);
  for (HostPort& port : host_ports_of(*pod)) host_ports.insert(std::move(port));
}

void NodeInfo::remove(const std::string& uid) {
  const auto found = pods.find(uid);
  if (found == pods.end()) return;
  requested -= requests_of(*found->second);
  requested_nonzero -= nonzero_requests_of(*found->second);
  for (const HostPort& port : host_ports_of(*found->second)) {
    if (const auto used = host_ports.find(port); used != host_ports.end()) host_ports.erase(used);
  }
  pods.erase(found);
}

void Snapshot::put_node(const NodePtr& node) { nodes_[node->metadata.name].set_node(node); }

void Snapshot::remove_node(const std::string& name) {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return;
  found->second.node = nullptr;
  if (found->second.pods.empty()) nodes_.erase(found);
}

void Snapshot::put_pod(const PodPtr& pod) {
  remove_pod(pod->metadata.uid);
  const bool ended = pod->status.phase == "Succeeded" || pod->status.phase == "Failed";
  if (ended || pod->spec.nodeName.empty()) return;
  nodes_[pod->spec.nodeName].add(pod);
  node_of_[pod->metadata.uid] = pod->spec.nodeName;
}

void Snapshot::remove_pod(const std::string& uid) {
  const auto on = node_of_.find(uid);
  if (on == node_of_.end()) return;
  const auto info = nodes_.find(on->second);
  if (info != nodes_.end()) {
    info->second.remove(uid);
    if (!info->second.node && info->second.pods.empty()) nodes_.erase(info);
  }
  node_of_.erase(on);
}

std::vector<const NodeInfo*> Snapshot::nodes() const {
  std::vector<const NodeInfo*> found;
  for (const auto& [name, info] : nodes_) {
    if (info.node) found.push_back(&info);
  }
  return found;
}

NodeInfo* Snapshot::find(const std::string& name) {
  const auto found = nodes_.find(name);
  return found == nodes_.end() || !found->second.node ? nullptr : &found->second;
}

}  // namespace cloudless::scheduler
