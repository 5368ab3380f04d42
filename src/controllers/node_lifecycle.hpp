// Node lifecycle (upstream: pkg/controller/nodelifecycle): a node whose agent is silent for kGracePeriod is
// marked Unknown; what its conditions say becomes taints; pods on nodes that are not ready are marked not
// ready.
//
// Silence is measured by our own clock: from when we last saw the node's lease or Ready condition change. A
// hint from a faster detector ends the grace at once, unless the agent was heard after the hint began. Hints
// come from this process, or from the cluster's nodes: one of them annotates its own Node with those that it
// knows to be dead.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "api/coordination_v1.hpp"
#include "api/core_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/pods.hpp"

namespace cloudless::controllers {

using api::core::v1::Node;

inline constexpr Duration kGracePeriod = std::chrono::seconds(50);  // --node-monitor-grace-period

/// On a node's own Node: names of nodes that it and the majority of all nodes do not hear any more, with
/// commas between.
inline constexpr const char* kDeadNodesAnnotation = "cloudless/dead-nodes";
/// What the nodes that are Ready say together.
std::set<std::string> nodes_reported_dead(const client::ObjectCache<Node>& nodes);

/// When each node was last heard of, and since when a detector calls it dead. By our own clock.
class NodeHeartbeats {
 public:
  struct Heard {
    std::optional<WallTime> lease_renewed;
    std::optional<WallTime> condition_heartbeat;
    WallTime at;
  };
  /// Notes what the node and its lease say; only a change counts as a sign of life.
  void hear(const Node& node, const api::coordination::v1::Lease* lease, WallTime now);
  void forget(const std::string& node);
  /// Replaces the set of nodes that a detector calls dead.
  void set_dead(const std::set<std::string>& nodes, WallTime now);
  /// How long until the node counts as silent; zero or less if it does.
  Duration until_silent(const std::string& node, WallTime now) const;

 private:
  std::map<std::string, Heard> heard_;
  std::map<std::string, WallTime> dead_since_;
};

struct NodeLifecycleView {
  const client::ObjectCache<Node>& nodes;
  const client::ObjectCache<api::coordination::v1::Lease>& leases;
  const client::ObjectCache<Pod>& pods;  // with the index "node"
  NodeHeartbeats& heartbeats;
};

inline constexpr const char* kNodeIndex = "node";
template <class Indexed>
void add_node_index(Indexed& indexed) {
  indexed.add_index(kNodeIndex, [](const Pod& pod) -> std::vector<std::string> {
    if (pod.spec.nodeName.empty()) return {};
    return {pod.spec.nodeName};
  });
}

Plan plan_node_lifecycle(const NodeLifecycleView& view, const std::string& key, const PlanContext& context);

class NodeLifecycleController : public Controller {
 public:
  explicit NodeLifecycleController(const Deps& deps);
  /// What a faster failure detector says. On the executor's thread.
  void set_dead(const std::set<std::string>& nodes);

 private:
  void hear_reports();
  void apply();

  runtime::Executor& executor_;
  const client::ObjectCache<Node>& nodes_;
  NodeHeartbeats heartbeats_;
  std::set<std::string> told_;      // by this process
  std::set<std::string> reported_;  // by the nodes
  std::set<std::string> dead_;      // both
};

}  // namespace cloudless::controllers
