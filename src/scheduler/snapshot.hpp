// Snapshot: what the scheduler knows of the cluster: nodes, the pods on them with their sums, namespaces,
// volumes. Changed piece by piece as informers report; read by schedule(). No I/O.
//
// A pod is known by its uid. A pod that the scheduler has just bound counts as on its node (assumed) until
// its informer says so or the binding fails.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "api/core_v1.hpp"
#include "client/selector.hpp"
#include "scheduler/resources.hpp"

namespace cloudless::scheduler {

using api::core::v1::Node;
using PodPtr = std::shared_ptr<const Pod>;
using NodePtr = std::shared_ptr<const Node>;

/// A port on the node itself: protocol, address, port.
struct HostPort {
  std::string protocol;
  std::string address;  // "0.0.0.0": all
  int32_t port = 0;

  friend auto operator<=>(const HostPort&, const HostPort&) = default;
};
std::vector<HostPort> host_ports_of(const Pod& pod);
bool conflict(const HostPort& a, const HostPort& b);

struct NodeInfo {
  NodePtr node;  // null while only pods that name it are known
  Amounts allocatable;
  Amounts requested;
  Amounts requested_nonzero;
  std::map<std::string, PodPtr> pods;  // by uid
  std::multiset<HostPort> host_ports;
  std::map<std::string, int64_t> images;  // bytes by name

  void set_node(NodePtr value);
  void add(const PodPtr& pod);
  void remove(const std::string& uid);
};

class Snapshot {
 public:
  using Nodes = std::map<std::string, NodeInfo>;

  void put_node(const NodePtr& node);
  void remove_node(const std::string& name);
  /// Puts `pod` on the node that it names, or takes it off where it names none, has ended or is not known any
  /// more.
  void put_pod(const PodPtr& pod);
  void remove_pod(const std::string& uid);
  void put_namespace(const std::string& name, client::Labels labels) {
    namespaces_[name] = std::move(labels);
  }
  void remove_namespace(const std::string& name) { namespaces_.erase(name); }

  /// Nodes that exist, by name; info.node is never null.
  std::vector<const NodeInfo*> nodes() const;
  const Nodes& all() const { return nodes_; }
  NodeInfo* find(const std::string& name);
  template <class Visit>
  void each_namespace(Visit visit) const {
    for (const auto& [name, labels] : namespaces_) visit(name, labels);
  }

 private:
  Nodes nodes_;
  std::map<std::string, std::string> node_of_;  // pod uid -> node
  std::map<std::string, client::Labels> namespaces_;
};

}  // namespace cloudless::scheduler
