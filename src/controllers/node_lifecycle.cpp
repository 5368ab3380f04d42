#include "controllers/node_lifecycle.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/ranges.hpp"
#include "base/strings.hpp"
#include "controllers/support/conditions.hpp"

namespace cloudless::controllers {

namespace json = boost::json;
using api::coordination::v1::Lease;
using api::core::v1::NodeCondition;
using api::core::v1::Taint;
using client::EventLevel;

namespace {

constexpr const char* kLeaseNamespace = "kube-node-lease";
constexpr const char* kNotReady = "node.kubernetes.io/not-ready";
constexpr const char* kUnreachable = "node.kubernetes.io/unreachable";
// A node that agrees about its silence is looked at again this soon, in case it comes back unheard.
constexpr Duration kRecheck = std::chrono::seconds(5);

struct ConditionTaint {
  const char* condition;
  const char* status;
  const char* taint;
};
constexpr ConditionTaint kConditionTaints[] = {
    {"Ready", "False", kNotReady},
    {"Ready", "Unknown", kUnreachable},
    {"MemoryPressure", "True", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "True", "node.kubernetes.io/disk-pressure"},
    {"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"},
    {"PIDPressure", "True", "node.kubernetes.io/pid-pressure"},
};
constexpr const char* kUnschedulable = "node.kubernetes.io/unschedulable";

std::string status_of(const Node& node, const char* condition) {
  const auto* found = find_condition(node.status.conditions, condition);
  return found ? found->status : "Unknown";
}

// The conditions that the agent reports become unknown when it is silent.
bool mark_unknown(Node& node, WallTime now) {
  bool changed = false;
  for (const char* type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}) {
    const auto* known = find_condition(node.status.conditions, type);
    NodeCondition condition;
    condition.type = type;
    condition.status = "Unknown";
    condition.reason = known ? "NodeStatusUnknown" : "NodeStatusNeverUpdated";
    condition.message = known ? "Kubelet stopped posting node status." : "Kubelet never posted node status.";
    condition.lastHeartbeatTime = known ? known->lastHeartbeatTime : node.metadata.creationTimestamp;
    if (known && known->status == "Unknown") continue;
    changed = set_condition(node.status.conditions, std::move(condition), now) || changed;
  }
  return changed;
}

// The taints that conditions and spec.unschedulable stand for, in place of those that are there.
std::vector<Taint> wanted_taints(const Node& node, WallTime now) {
  std::vector<Taint> taints;
  const auto is_ours = [](const std::string& key) {
    return key == kUnschedulable ||
           contains(kConditionTaints, std::string_view(key),
                    [](const ConditionTaint& each) { return std::string_view(each.taint); });
  };
  for (const Taint& taint : node.spec.taints) {
    if (!is_ours(taint.key)) taints.push_back(taint);
  }
  const auto add = [&](const char* key, const char* effect) {
    const auto same = [&](const Taint& taint) { return taint.key == key && taint.effect == effect; };
    const auto known = std::ranges::find_if(node.spec.taints, same);
    if (known != node.spec.taints.end()) {
      taints.push_back(*known);
      return;
    }
    Taint taint;
    taint.key = key;
    taint.effect = effect;
    taint.timeAdded = now;
    taints.push_back(std::move(taint));
  };
  for (const ConditionTaint& each : kConditionTaints) {
    const auto* reported = find_condition(node.status.conditions, each.condition);
    if (!reported || reported->status != each.status) continue;
    add(each.taint, "NoSchedule");
    if (each.condition == std::string_view("Ready")) add(each.taint, "NoExecute");
  }
  if (node.spec.unschedulable) add(kUnschedulable, "NoSchedule");
  return taints;
}

bool same_taints(const std::vector<Taint>& a, const std::vector<Taint>& b) {
  const auto in = [](const std::vector<Taint>& taints) {
    return [&taints](const Taint& taint) {
      return std::ranges::any_of(taints, [&](const Taint& other) {
        return other.key == taint.key && other.effect == taint.effect && other.value == taint.value;
      });
    };
  };
  return a.size() == b.size() && std::ranges::all_of(a, in(b));
}

void plan_pods_not_ready(const NodeLifecycleView& view, const std::string& node, WallTime now, Plan& plan) {
  for (const PodPtr& pod : view.pods.by_index(kNodeIndex, node)) {
    const auto* ready = find_condition(pod->status.conditions, "Ready");
    if (!ready || ready->status == "False") continue;
    json::object condition{
        {"type", "Ready"}, {"status", "False"}, {"lastTransitionTime", format_rfc3339(now)}};
    const json::object patch{{"status", {{"conditions", json::array{std::move(condition)}}}}};
    client::Action action =
        client::patch(*pod, client::PatchType::kStrategicMerge, json::serialize(patch), "status")
            .accepting_done();
    action.on_success =
        client::EventText{client::ref_to(*pod), EventLevel::kWarning, "NodeNotReady", "Node is not ready"};
    plan.actions.push_back(std::move(action));
  }
}

}  // namespace

// A reporter that is dead itself has said its last.
std::set<std::string> nodes_reported_dead(const client::ObjectCache<Node>& nodes) {
  std::set<std::string> dead;
  for (const auto& [key, node] : nodes.all()) {
    const auto said = node->metadata.annotations.find(kDeadNodesAnnotation);
    if (said == node->metadata.annotations.end() || status_of(*node, "Ready") != "True") continue;
    for (const std::string_view name : split(said->second, ',')) {
      if (!name.empty() && name != node->metadata.name) dead.emplace(name);
    }
  }
  return dead;
}

void NodeHeartbeats::hear(const Node& node, const Lease* lease, WallTime now) {
  const auto* ready = find_condition(node.status.conditions, "Ready");
  const Heard said{.lease_renewed = lease ? lease->spec.renewTime : std::nullopt,
                   .condition_heartbeat = ready ? ready->lastHeartbeatTime : std::nullopt,
                   .at = now};
  const auto [entry, is_new] = heard_.try_emplace(node.metadata.name, said);
  if (is_new) return;
  Heard& known = entry->second;
  if (known.lease_renewed == said.lease_renewed && known.condition_heartbeat == said.condition_heartbeat)
    return;
  known = said;
}

void NodeHeartbeats::forget(const std::string& node) {
  heard_.erase(node);
  dead_since_.erase(node);
}

void NodeHeartbeats::set_dead(const std::set<std::string>& nodes, WallTime now) {
  std::erase_if(dead_since_, [&nodes](const auto& entry) { return !nodes.contains(entry.first); });
  for (const std::string& node : nodes) dead_since_.try_emplace(node, now);
}

Duration NodeHeartbeats::until_silent(const std::string& node, WallTime now) const {
  const auto heard = heard_.find(node);
  if (heard == heard_.end()) return kGracePeriod;
  const auto dead = dead_since_.find(node);
  if (dead != dead_since_.end() && heard->second.at <= dead->second) return Duration(0);
  return heard->second.at + kGracePeriod - now;
}

Plan plan_node_lifecycle(const NodeLifecycleView& view, const std::string& key, const PlanContext& context) {
  Plan plan;
  const auto node = view.nodes.get(key);
  if (!node) {
    view.heartbeats.forget(key);
    return plan;
  }
  view.heartbeats.hear(*node, view.leases.get(kLeaseNamespace, key).get(), context.now);
  const Duration left = view.heartbeats.until_silent(key, context.now);
  Node updated = *node;
  const bool was_ready = status_of(*node, "Ready") == "True";
  if (left <= Duration(0)) {
    if (mark_unknown(updated, context.now)) plan.actions.push_back(client::update_status(updated));
    plan.look_again(kRecheck);
  } else {
    plan.look_again(left + std::chrono::milliseconds(1));
  }
  if (was_ready && status_of(updated, "Ready") != "True") {
    plan.events.push_back({client::ref_to(*node), EventLevel::kNormal, "NodeNotReady",
                           fmt::format("Node {} status is now: NodeNotReady", key)});
  }
  const std::vector<Taint> taints = wanted_taints(updated, context.now);
  if (!same_taints(taints, node->spec.taints)) {
    Node tainted = *node;
    tainted.spec.taints = taints;
    // The status update before it has moved the object: without a version it is written onto whatever is
    // there, which only another writer of taints could mind.
    const json::value as_json = json::parse(client::encode_object(tainted));
    json::object spec{{"taints", taints.empty() ? json::value(nullptr) : as_json.at("spec").at("taints")}};
    plan.actions.push_back(client::patch(*node, client::PatchType::kMerge,
                                         json::serialize(json::object{{"spec", std::move(spec)}})));
  }
  if (status_of(updated, "Ready") != "True") plan_pods_not_ready(view, key, context.now, plan);
  return plan;
}

NodeLifecycleController::NodeLifecycleController(const Deps& deps)
    : Controller(
          deps, {.name = "node-lifecycle-controller", .component = "node-controller", .workers = 1},
          [view = NodeLifecycleView{deps.informers.of<Node>().cache(), deps.informers.of<Lease>().cache(),
                                    deps.informers.of<Pod>().cache(), heartbeats_}](
              const std::string& key, const PlanContext& context) {
            return plan_node_lifecycle(view, key, context);
          }),
      executor_(deps.executor),
      nodes_(deps.informers.of<Node>().cache()) {
  auto& pods = deps.informers.of<Pod>();
  add_node_index(pods);
  reconciler().watch(deps.informers.of<Node>());
  reconciler().needs(pods);
  deps.informers.of<Node>().add_handler([this](const auto&, const auto&) { hear_reports(); });
  reconciler().watch(deps.informers.of<Lease>(),
                     [](const auto& before, const auto& now) -> std::vector<std::string> {
                       const Lease& lease = now ? *now : *before;
                       if (lease.metadata.namespace_ != kLeaseNamespace) return {};
                       return {lease.metadata.name};
                     });
}

void NodeLifecycleController::set_dead(const std::set<std::string>& nodes) {
  told_ = nodes;
  apply();
}

void NodeLifecycleController::hear_reports() {
  std::set<std::string> now = nodes_reported_dead(nodes_);
  if (now == reported_) return;
  reported_ = std::move(now);
  apply();
}

void NodeLifecycleController::apply() {
  std::set<std::string> dead = told_;
  dead.insert(reported_.begin(), reported_.end());
  heartbeats_.set_dead(dead, executor_.clock().wall_now());
  for (const std::string& node : dead) reconciler().enqueue(node);
  for (const std::string& node : std::exchange(dead_, std::move(dead))) reconciler().enqueue(node);
}

}  // namespace cloudless::controllers
