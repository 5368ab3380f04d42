#include "controllers/taint_eviction.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "client/placement.hpp"

namespace cloudless::controllers {

namespace json = boost::json;
using api::core::v1::Taint;

namespace {

bool has_no_execute(const Node& node) {
  return std::ranges::any_of(node.spec.taints,
                             [](const Taint& taint) { return taint.effect == "NoExecute"; });
}

// How long the pod's tolerations bear this taint: nothing for ever.
std::optional<std::chrono::seconds> tolerated_for(const Pod& pod, const Taint& taint) {
  std::optional<std::chrono::seconds> shortest;
  for (const auto& toleration : pod.spec.tolerations) {
    if (!client::tolerates(toleration, taint) || !toleration.tolerationSeconds) continue;
    const auto seconds = std::chrono::seconds(std::max<int64_t>(*toleration.tolerationSeconds, 0));
    shortest = shortest ? std::min(*shortest, seconds) : seconds;
  }
  return shortest;
}

json::object disruption(WallTime now) {
  json::object condition{{"type", "DisruptionTarget"},
                         {"status", "True"},
                         {"reason", "DeletionByTaintManager"},
                         {"message", "Taint manager: deleting due to NoExecute taint"},
                         {"lastTransitionTime", format_rfc3339(now)}};
  return {{"status", {{"conditions", json::array{std::move(condition)}}}}};
}

}  // namespace

std::optional<Duration> time_left(const Pod& pod, const Node& node, WallTime now) {
  std::optional<Duration> least;
  for (const Taint& taint : node.spec.taints) {
    if (taint.effect != "NoExecute") continue;
    if (!client::tolerates(pod.spec.tolerations, taint)) return Duration(0);
    const auto seconds = tolerated_for(pod, taint);
    if (!seconds) continue;
    const Duration left = taint.timeAdded.value_or(now) + *seconds - now;
    least = least ? std::min(*least, left) : left;
  }
  return least;
}

Plan plan_taint_eviction(const TaintEvictionView& view, const std::string& key, const PlanContext& context) {
  Plan plan;
  const auto pod = view.pods.get(key);
  if (!pod || pod->metadata.deletionTimestamp || pod->spec.nodeName.empty()) return plan;
  const auto node = view.nodes.get(pod->spec.nodeName);
  const auto left = node ? time_left(*pod, *node, context.now) : std::nullopt;
  if (!left) return plan;
  if (*left > Duration(0)) {
    plan.look_again(*left);
    return plan;
  }
  plan.actions.push_back(client::patch(*pod, client::PatchType::kStrategicMerge,
                                       json::serialize(disruption(context.now)), "status")
                             .accepting_done());
  client::Action eviction = client::remove(*pod);
  eviction.on_success = client::EventText{client::ref_to(*pod), client::EventLevel::kNormal,
                                          "TaintManagerEviction", "Marking for deletion Pod " + key};
  plan.actions.push_back(std::move(eviction));
  return plan;
}

ControllerPtr make_taint_eviction_controller(const Deps& deps) {
  auto& nodes = deps.informers.of<Node>();
  auto& pods = deps.informers.of<Pod>();
  add_node_index(pods);
  const TaintEvictionView view{nodes.cache(), pods.cache()};
  auto controller =
      std::make_unique<Controller>(deps, Controller::Options{.name = "taint-eviction-controller"},
                                   [view](const std::string& key, const PlanContext& context) {
                                     return plan_taint_eviction(view, key, context);
                                   });
  client::Reconciler& reconciler = controller->reconciler();
  reconciler.watch(pods, [view](const PodPtr& before, const PodPtr& now) -> std::vector<std::string> {
    const bool placed = now && (!before || before->spec.nodeName != now->spec.nodeName);
    const auto node = placed ? view.nodes.get(now->spec.nodeName) : nullptr;
    if (!node || !has_no_execute(*node)) return {};
    return {client::key_of(*now)};
  });
  reconciler.watch(nodes, [view](const auto& before, const auto& now) {
    std::vector<std::string> keys;
    if (!now || !has_no_execute(*now) || (before && before->spec.taints == now->spec.taints)) return keys;
    for (const PodPtr& pod : view.pods.by_index(kNodeIndex, now->metadata.name))
      keys.push_back(client::key_of(*pod));
    return keys;
  });
  return controller;
}

}  // namespace cloudless::controllers
