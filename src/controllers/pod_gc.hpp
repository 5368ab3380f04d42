// Pod garbage collection (upstream: pkg/controller/podgc): removes pods that no node agent will ever finish,
// and old finished ones.
#pragma once

#include <map>

#include "controllers/node_lifecycle.hpp"

namespace cloudless::controllers {

/// Finished pods beyond this many are deleted, oldest first (--terminated-pod-gc-threshold).
inline constexpr size_t kTerminatedPodThreshold = 12'500;
/// A node must be missing this long before its pods are forced off (upstream's quarantine).
inline constexpr Duration kNodeQuarantine = std::chrono::seconds(40);
inline constexpr Duration kPodGcPeriod = std::chrono::seconds(20);

struct PodGcView {
  const client::ObjectCache<Node>& nodes;
  const client::ObjectCache<Pod>& pods;
  /// Since when nodes that pods name do not exist; kept by the plan from one call to the next.
  std::map<std::string, WallTime>& missing_since;
};

Plan plan_pod_gc(const PodGcView& view, const PlanContext& context);
ControllerPtr make_pod_gc_controller(const Deps& deps);

}  // namespace cloudless::controllers
