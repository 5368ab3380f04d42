#include "controllers/replica_set.hpp"

#include "client/selector.hpp"

namespace cloudless::controllers {

using api::apps::v1::ReplicaSet;
using api::core::v1::ReplicationController;

namespace {

// An empty selector finds nothing.
bool selects(const ReplicaSet& set, const Pod& pod) {
  const auto& selector = set.spec.selector;
  return selector && !client::is_empty(*selector) && client::matches(*selector, pod.metadata.labels);
}
bool selects(const ReplicationController& owner, const Pod& pod) {
  return !owner.spec.selector.empty() && client::matches(owner.spec.selector, pod.metadata.labels);
}

/// What a ReplicaSet and a ReplicationController have in common.
template <class Owner>
Plan plan_set(const Owner& owner, const PodTemplateSpec& pod_template, const client::ObjectCache<Pod>& pods,
              const Departures& departures, const PlanContext& context) {
  Plan plan;
  Claimed<Pod> claimed = claim<Pod>(pods, owner, [&owner](const Pod& pod) { return selects(owner, pod); });
  plan.actions = std::move(claimed.actions);
  // Pods that will be ours in a moment must not be created a second time: claim first, count when they are.
  const bool settled = plan.actions.empty();
  if (settled && !owner.metadata.deletionTimestamp) {
    plan_replicas(owner, pod_template, owner.spec.replicas.value_or(1), claimed.objects, departures, context,
                  plan);
  }
  const PodCounts counts =
      count_pods(claimed.objects, pod_template.metadata.labels, owner.spec.minReadySeconds, context.now);
  auto status = owner.status;
  status.replicas = counts.replicas;
  status.fullyLabeledReplicas = counts.fully_labeled;
  status.readyReplicas = counts.ready;
  status.availableReplicas = counts.available;
  if constexpr (requires { status.terminatingReplicas; }) status.terminatingReplicas = counts.terminating;
  status.observedGeneration = owner.metadata.generation;
  set_replica_failure(status.conditions, context);
  if (status != owner.status) {
    Owner updated = owner;
    updated.status = std::move(status);
    // After the pods, unless these failed the last time: a failing create must not keep that from being told.
    const auto at = context.last_failure.empty() ? plan.actions.end() : plan.actions.begin();
    plan.actions.insert(at, client::update_status(updated));
  }
  look_again_when_available(claimed.objects, owner.spec.minReadySeconds, context.now, plan);
  return plan;
}

template <class Owner>
void follow(client::Reconciler& reconciler, client::Informer<Owner>& owners, client::Informer<Pod>& pods,
            const std::shared_ptr<Departures>& departures) {
  follow_with_pods(reconciler, owners, pods, departures, [&cache = owners.cache()](const Pod& orphan) {
    std::vector<std::string> keys;
    for (const auto& owner : cache.in_namespace(orphan.metadata.namespace_)) {
      if (selects(*owner, orphan)) keys.push_back(client::key_of(*owner));
    }
    return keys;
  });
}

}  // namespace

Plan plan_replica_set(const ReplicaSetView& view, const std::string& key, const PlanContext& context) {
  const auto set = view.sets.get(key);
  if (!set || !set->spec.selector || client::is_empty(*set->spec.selector)) return {};
  return plan_set(*set, set->spec.template_, view.pods, view.departures, context);
}

Plan plan_replication_controller(const ReplicationControllerView& view, const std::string& key,
                                 const PlanContext& context) {
  const auto owner = view.controllers.get(key);
  if (!owner || owner->spec.selector.empty() || !owner->spec.template_) return {};
  return plan_set(*owner, *owner->spec.template_, view.pods, view.departures, context);
}

ControllerPtr make_replica_set_controller(const Deps& deps) {
  auto& sets = deps.informers.of<ReplicaSet>();
  auto& pods = deps.informers.of<Pod>();
  add_owner_index<Pod>(pods);
  const auto departures = std::make_shared<Departures>();
  const ReplicaSetView view{sets.cache(), pods.cache(), *departures};
  auto controller = std::make_unique<Controller>(deps, Controller::Options{.name = "replicaset-controller"},
                                                 [view](const std::string& key, const PlanContext& context) {
                                                   return plan_replica_set(view, key, context);
                                                 });
  follow(controller->reconciler(), sets, pods, departures);
  return controller;
}

ControllerPtr make_replication_controller(const Deps& deps) {
  auto& owners = deps.informers.of<ReplicationController>();
  auto& pods = deps.informers.of<Pod>();
  add_owner_index<Pod>(pods);
  const auto departures = std::make_shared<Departures>();
  const ReplicationControllerView view{owners.cache(), pods.cache(), *departures};
  auto controller = std::make_unique<Controller>(
      deps,
      Controller::Options{.name = "replicationcontroller-controller", .component = "replication-controller"},
      [view](const std::string& key, const PlanContext& context) {
        return plan_replication_controller(view, key, context);
      });
  follow(controller->reconciler(), owners, pods, departures);
  return controller;
}

}  // namespace cloudless::controllers
