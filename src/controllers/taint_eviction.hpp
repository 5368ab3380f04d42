// Taint eviction (upstream: pkg/controller/tainteviction): deletes pods from nodes with NoExecute taints that
// they do not tolerate, at once or when their tolerationSeconds are over.
#pragma once

#include <optional>

#include "controllers/node_lifecycle.hpp"

namespace cloudless::controllers {

struct TaintEvictionView {
  const client::ObjectCache<Node>& nodes;
  const client::ObjectCache<Pod>& pods;
};

/// How long a pod may stay with these taints: nothing for ever, zero or less not at all.
std::optional<Duration> time_left(const Pod& pod, const Node& node, WallTime now);

/// `key`: the pod.
Plan plan_taint_eviction(const TaintEvictionView& view, const std::string& key, const PlanContext& context);
ControllerPtr make_taint_eviction_controller(const Deps& deps);

}  // namespace cloudless::controllers
