// A pod's status from what the runtime has of it and what the worker knows. Pure; phases, conditions, reasons
// and messages are upstream's (pkg/kubelet/kubelet_pods.go, pkg/kubelet/status/generate.go).
#pragma once

#include <string>
#include <vector>

#include "kubelet/pod/pod_plan.hpp"

namespace cloudless::kubelet {

struct StatusInput {
  const PodView& view;
  const PodPlan& plan;
  /// The status last reported: condition times are kept, terminal phases stay.
  const core::PodStatus& previous;
  std::vector<std::string> host_ips;
  /// By container id: what an ended container left in its termination message.
  std::map<std::string, std::string> termination_messages;
};

core::PodStatus make_pod_status(const StatusInput& input);

/// "Guaranteed", "Burstable" or "BestEffort" (pkg/apis/core/v1/helper/qos).
std::string qos_class_of(const core::Pod& pod);

}  // namespace cloudless::kubelet
