#include "controllers/replica_set.hpp"

#include "client/selector.hpp"

namespace cloudless::controllers {

using api::apps::v1::ReplicaSet;
using api::apps::v1::ReplicaSetStatus;
using api::core::v1::ReplicationController;
using api::core::v1::ReplicationControllerStatus;

namespace {

/// What a ReplicaSet and a ReplicationController have in common.
template <class Owner, class Status>
Plan plan_set(const Owner& owner, const PodTemplateSpec& pod_template, const client::ObjectCache<Pod>& pods,
              const Departures& departures, const std::function<bool(const Pod&)>& is_match,
              const PlanContext& context) {
  Plan plan;
  Claimed<Pod> claimed = claim<Pod>(pods, owner, is_match);
  plan.actions = std::move(claimed.actions);
  // Pods that will be ours in a moment must not be created a second time: claim first, count when they are.
  const bool settled = plan.actions.empty();
  if (settled && !owner.metadata.deletionTimestamp) {
    plan_replicas(owner, pod_template, owner.spec.replicas.value_or(1), claimed.objects, departures, context,
                  plan);
  }
  const PodCounts counts =
      count_pods(claimed.objects, pod_template.metadata.labels, owner.spec.minReadySeconds, context.now);
  Status status = owner.status;
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

}  // namespace

Plan plan_replica_set(const ReplicaSetView& view, const std::string& key, const PlanContext& context) {
  const auto set = view.sets.get(key);
  if (!set || !set->spec.selector || client::is_empty(*set->spec.selector)) return {};
  const auto is_match = [&set](const Pod& pod) {
    return client::matches(*set->spec.selector, pod.metadata.labels);
  };
  return plan_set<ReplicaSet, ReplicaSetStatus>(*set, set->spec.template_, view.pods, view.departures,
                                                is_match, context);
}

Plan plan_replication_controller(const ReplicationControllerView& view, const std::string& key,
                                 const PlanContext& context) {
  const auto owner = view.controllers.get(key);
  if (!owner || owner->spec.selector.empty() || !owner->spec.template_) return {};
  const auto is_match = [&owner](const Pod& pod) {
    return client::matches(owner->spec.selector, pod.metadata.labels);
  };
  return plan_set<ReplicationController, ReplicationControllerStatus>(
      *owner, *owner->spec.template_, view.pods, view.departures, is_match, context);
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
  controller->reconciler().watch(sets);
  sets.add_handler([departures](const auto& before, const auto& now) {
    if (!now) departures->forget(before->metadata.uid);
  });
  controller->reconciler().watch(pods, [view, departures](const PodPtr& before, const PodPtr& now) {
    departures->note(before, now);
    return owners_of_change(before, now, "ReplicaSet", [&view](const Pod& pod) {
      std::vector<std::string> keys;
      for (const auto& set : view.sets.in_namespace(pod.metadata.namespace_)) {
        const bool selects = set->spec.selector && !client::is_empty(*set->spec.selector) &&
                             client::matches(*set->spec.selector, pod.metadata.labels);
        if (selects) keys.push_back(client::key_of(*set));
      }
      return keys;
    });
  });
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
  controller->reconciler().watch(owners);
  owners.add_handler([departures](const auto& before, const auto& now) {
    if (!now) departures->forget(before->metadata.uid);
  });
  controller->reconciler().watch(pods, [view, departures](const PodPtr& before, const PodPtr& now) {
    departures->note(before, now);
    return owners_of_change(before, now, "ReplicationController", [&view](const Pod& pod) {
      std::vector<std::string> keys;
      for (const auto& owner : view.controllers.in_namespace(pod.metadata.namespace_)) {
        const bool selects =
            !owner->spec.selector.empty() && client::matches(owner->spec.selector, pod.metadata.labels);
        if (selects) keys.push_back(client::key_of(*owner));
      }
      return keys;
    });
  });
  return controller;
}

}  // namespace cloudless::controllers
