#include "controllers/pod_gc.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <tuple>

namespace cloudless::controllers {

namespace json = boost::json;

namespace {

void force_off(const Pod& pod, Plan& plan) {
  plan.actions.push_back(client::remove(pod, {.grace_period_seconds = 0}));
}

void fail_and_force_off(const Pod& pod, WallTime now, Plan& plan) {
  if (!is_finished(pod)) {
    json::object condition{{"type", "DisruptionTarget"},
                           {"status", "True"},
                           {"reason", "DeletionByPodGC"},
                           {"message", "PodGC: node no longer exists"},
                           {"lastTransitionTime", format_rfc3339(now)}};
    const json::object patch{
        {"status", {{"phase", "Failed"}, {"conditions", json::array{std::move(condition)}}}}};
    plan.actions.push_back(
        client::patch(pod, client::PatchType::kStrategicMerge, json::serialize(patch), "status")
            .accepting_done());
  }
  force_off(pod, plan);
}

void plan_orphans(const PodGcView& view, const PlanContext& context, Plan& plan) {
  std::set<std::string> missing;
  for (const auto& [key, pod] : view.pods.all()) {
    const std::string& node = pod->spec.nodeName;
    if (!node.empty() && !view.nodes.get(node)) missing.insert(node);
  }
  std::erase_if(view.missing_since, [&](const auto& entry) { return !missing.contains(entry.first); });
  for (const std::string& node : missing) {
    const WallTime since = view.missing_since.try_emplace(node, context.now).first->second;
    if (context.now - since < kNodeQuarantine) continue;
    for (const PodPtr& pod : view.pods.by_index(kNodeIndex, node))
      fail_and_force_off(*pod, context.now, plan);
  }
}

}  // namespace

Plan plan_pod_gc(const PodGcView& view, const PlanContext& context) {
  Plan plan;
  plan.look_again(kPodGcPeriod);
  plan_orphans(view, context, plan);
  std::vector<PodPtr> finished;
  for (const auto& [key, pod] : view.pods.all()) {
    // Nobody runs it, so nobody will confirm its end.
    if (pod->metadata.deletionTimestamp && pod->spec.nodeName.empty()) force_off(*pod, plan);
    if (is_finished(*pod) && !pod->metadata.deletionTimestamp) finished.push_back(pod);
  }
  if (finished.size() <= kTerminatedPodThreshold) return plan;
  std::ranges::sort(finished, {}, [](const PodPtr& pod) {
    return std::tuple(pod->metadata.creationTimestamp, pod->metadata.namespace_, pod->metadata.name);
  });
  finished.resize(finished.size() - kTerminatedPodThreshold);
  for (const PodPtr& pod : finished) force_off(*pod, plan);
  return plan;
}

ControllerPtr make_pod_gc_controller(const Deps& deps) {
  auto& nodes = deps.informers.of<Node>();
  auto& pods = deps.informers.of<Pod>();
  add_node_index(pods);
  auto missing = std::make_shared<std::map<std::string, WallTime>>();
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "pod-garbage-collector-controller", .workers = 1},
      [&nodes, &pods, missing](const std::string&, const PlanContext& context) {
        return plan_pod_gc({nodes.cache(), pods.cache(), *missing}, context);
      });
  controller->reconciler().needs(nodes);
  controller->reconciler().needs(pods);
  controller->reconciler().enqueue("pods");
  return controller;
}

}  // namespace cloudless::controllers
