// The Node object of this machine, as a pure function of what is known (pkg/kubelet/nodestatus).
#pragma once

#include <string>
#include <vector>

#include "kubelet/kubelet.hpp"
#include "kubelet/node/machine.hpp"
#include "kubelet/pod/pod_runtime.hpp"

namespace cloudless::kubelet {

struct NodeInput {
  const Options& options;
  const Machine& machine;
  std::string runtime_version;  // "containerd://1.6.20"
  /// What the runtime says of itself; an error where it does not answer.
  Result<std::vector<cri::RuntimeCondition>> runtime;
  std::vector<cri::Image> images;
  WallTime now;
};

/// At most so many images are listed, the largest first (--node-status-max-images).
inline constexpr size_t kMaxImages = 50;

std::map<std::string, schema::Quantity> node_capacity(const Options& options, const Machine& machine);
std::map<std::string, schema::Quantity> node_allocatable(const Options& options, const Machine& machine);

/// For registration: name, labels, annotations, taints.
core::Node make_node(const Options& options, const Machine& machine);

/// Replaces in `status` all that is the kubelet's to say; transition times are kept where a condition stays.
void fill_node_status(const NodeInput& input, core::NodeStatus& status);

/// Whether two statuses differ in more than heartbeat times.
bool differ(const core::NodeStatus& a, const core::NodeStatus& b);

}  // namespace cloudless::kubelet
