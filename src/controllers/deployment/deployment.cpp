#include "controllers/deployment/deployment.hpp"

#include <algorithm>
#include <tuple>

#include "base/ranges.hpp"
#include "client/selector.hpp"
#include "controllers/deployment/rollout.hpp"
#include "controllers/deployment/status.hpp"
#include "controllers/support/conditions.hpp"

namespace cloudless::controllers {

using api::apps::v1::Deployment;
using api::apps::v1::ReplicaSet;
using client::EventLevel;
using client::EventText;
using rollout::Rollout;
using rollout::SetPtr;

namespace {

// Annotations that are the deployment's own and not its ReplicaSets'.
constexpr std::string_view kOwnAnnotations[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                                rollout::kRevision,
                                                rollout::kRevisionHistory,
                                                rollout::kDesiredReplicas,
                                                rollout::kMaxReplicas,
                                                "deprecated.deployment.rollback.to"};

/// One plan of one deployment.
class Step {
 public:
  Step(const DeploymentView& view, const PlanContext& context, std::shared_ptr<const Deployment> deployment)
      : view_(view), context_(context), status_(deployment->status) {
    rollout_.deployment = std::move(deployment);
  }

  Plan run() {
    claim_sets();
    if (!plan_.actions.empty()) return std::move(plan_);
    if (!deployment().metadata.deletionTimestamp) advance();
    write_status();
    return std::move(plan_);
  }

 private:
  const Deployment& deployment() const { return *rollout_.deployment; }

  void claim_sets() {
    const auto is_match = [this](const ReplicaSet& set) {
      return client::matches(*deployment().spec.selector, set.metadata.labels);
    };
    Claimed<ReplicaSet> claimed = claim<ReplicaSet>(view_.sets, deployment(), is_match);
    plan_.actions = std::move(claimed.actions);
    std::ranges::sort(claimed.objects, {}, [](const SetPtr& set) {
      return std::tuple(set->metadata.creationTimestamp, set->metadata.name);
    });
    rollout_.latest = rollout::find_latest(deployment(), claimed.objects);
    for (const SetPtr& set : claimed.objects) {
      if (set != rollout_.latest) rollout_.old.push_back(set);
    }
  }

  void advance() {
    const bool paused = deployment().spec.paused;
    if (!paused && !update_latest()) return;
    if (paused || is_scaling()) {
      rollout::plan_proportional(rollout_, plan_);
    } else if (rollout::is_rolling(deployment())) {
      rollout::plan_rolling(rollout_, plan_);
    } else {
      rollout::plan_recreate(rollout_, pods_of(rollout_.old), plan_);
    }
    if (paused || rollout::is_complete(deployment(), deployment().status)) clean_up();
  }

  // The latest set as it should be but for its replicas. False where it has to be made or changed first.
  bool update_latest() {
    int64_t newest = 0;
    for (const SetPtr& set : rollout_.old) newest = std::max(newest, rollout::revision_of(set->metadata));
    const std::string revision = std::to_string(newest + 1);
    if (!rollout_.latest) {
      create_latest(revision);
      return false;
    }
    ReplicaSet updated = *rollout_.latest;
    updated.spec.minReadySeconds = deployment().spec.minReadySeconds;
    annotate(updated, newest + 1);
    if (updated != *rollout_.latest) {
      plan_.actions.push_back(client::update(updated));
      return false;
    }
    note_found(rollout::revision_of(updated.metadata));
    return true;
  }

  // The deployment's revision follows that of its latest set.
  void note_found(int64_t revision) {
    if (!find_condition(status_.conditions, "Progressing")) {
      rollout::set_progressing(status_, "True", "FoundNewReplicaSet",
                               fmt::format("Found new replica set \"{}\"", rollout_.latest->metadata.name),
                               context_.now);
    }
    if (rollout::revision_of(deployment().metadata) == revision) return;
    Deployment updated = deployment();
    updated.metadata.annotations[rollout::kRevision] = std::to_string(revision);
    plan_.actions.push_back(client::update(updated));
  }

  void annotate(ReplicaSet& set, int64_t revision) const {
    for (const auto& [name, value] : deployment().metadata.annotations) {
      if (!contains(kOwnAnnotations, std::string_view(name))) set.metadata.annotations[name] = value;
    }
    const int64_t had = rollout::revision_of(set.metadata);
    if (had >= revision) return;
    auto& annotations = set.metadata.annotations;
    annotations[rollout::kRevision] = std::to_string(revision);
    // A template that comes back by a rollback keeps the revisions that it had.
    if (had == 0) return;
    std::string& history = annotations[rollout::kRevisionHistory];
    history += (history.empty() ? "" : ",") + std::to_string(had);
  }

  void create_latest(const std::string& revision) {
    const std::string hash = template_hash(deployment().spec.template_, deployment().status.collisionCount);
    ReplicaSet set;
    set.metadata.name = deployment().metadata.name + "-" + hash;
    set.metadata.namespace_ = deployment().metadata.namespace_;
    set.metadata.ownerReferences.push_back(controller_reference(deployment()));
    set.spec.template_ = deployment().spec.template_;
    set.spec.template_.metadata.labels[kPodTemplateHash] = hash;
    set.metadata.labels = set.spec.template_.metadata.labels;
    set.spec.selector = deployment().spec.selector;
    set.spec.selector->matchLabels[kPodTemplateHash] = hash;
    set.spec.minReadySeconds = deployment().spec.minReadySeconds;
    if (avoid_collision(set)) return;
    Rollout with_new = rollout_;
    set.spec.replicas = 0;
    set.spec.replicas = rollout::is_rolling(deployment()) || rollout::replicas_of(rollout_.old) == 0
                            ? rollout::next_latest_replicas(with_new, 0)
                            : 0;
    if (!rollout::is_rolling(deployment()) && !all_finished(pods_of(rollout_.old))) set.spec.replicas = 0;
    annotate(set, std::stoll(revision));
    rollout::annotate_size(deployment(), set);
    client::Action action = client::create(set);
    const client::ObjectRef about = client::ref_to(deployment());
    if (*set.spec.replicas > 0) {
      action.on_success = EventText{
          about, EventLevel::kNormal, "ScalingReplicaSet",
          fmt::format("Scaled up replica set {} from 0 to {}", set.metadata.name, *set.spec.replicas)};
    }
    action.on_failure =
        EventText{about, EventLevel::kWarning, "ReplicaSetCreateError",
                  fmt::format("Failed to create new replica set \"{}\": {{error}}", set.metadata.name)};
    plan_.actions.push_back(std::move(action));
    if (context_.last_failure.empty()) {
      rollout::set_progressing(status_, "True", "NewReplicaSetCreated",
                               fmt::format("Created new replica set \"{}\"", set.metadata.name),
                               context_.now);
    } else {
      rollout::set_progressing(status_, "False", "ReplicaSetCreateError",
                               fmt::format("Failed to create new replica set \"{}\": {}", set.metadata.name,
                                           context_.last_failure),
                               context_.now);
    }
  }

  // Another template with the same hash, or another's set of that name: the next hash takes the count in.
  bool avoid_collision(const ReplicaSet& set) {
    const auto existing = view_.sets.get(set.metadata.namespace_, set.metadata.name);
    if (!existing) return false;
    status_.collisionCount = deployment().status.collisionCount.value_or(0) + 1;
    return true;
  }

  std::vector<PodPtr> pods_of(const std::vector<SetPtr>& sets) const {
    std::vector<PodPtr> pods;
    for (const SetPtr& set : sets) {
      for (const PodPtr& pod : view_.pods.by_index(kOwnerIndex, set->metadata.uid)) pods.push_back(pod);
    }
    return pods;
  }

  static bool all_finished(const std::vector<PodPtr>& pods) {
    return std::ranges::all_of(pods, [](const PodPtr& pod) { return is_finished(*pod); });
  }

  // spec.replicas has changed since a set that has pods was last sized.
  bool is_scaling() const {
    return std::ranges::any_of(rollout_.all(), [this](const SetPtr& set) {
      const auto desired = set->metadata.annotations.find(rollout::kDesiredReplicas);
      return rollout::replicas_of(*set) > 0 && desired != set->metadata.annotations.end() &&
             desired->second != std::to_string(rollout_.wanted());
    });
  }

  // Deletes the oldest idle sets beyond the history limit.
  void clean_up() {
    const int32_t keep = deployment().spec.revisionHistoryLimit.value_or(10);
    std::vector<SetPtr> idle;
    for (const SetPtr& set : rollout_.old) {
      if (!set->metadata.deletionTimestamp) idle.push_back(set);
    }
    if (std::cmp_less_equal(idle.size(), keep)) return;
    std::ranges::sort(idle, {}, [](const SetPtr& set) {
      return std::tuple(rollout::revision_of(set->metadata), set->metadata.name);
    });
    idle.resize(idle.size() - static_cast<size_t>(keep));
    for (const SetPtr& set : idle) {
      const bool in_use = set->status.replicas != 0 || rollout::replicas_of(*set) != 0 ||
                          set->metadata.generation > set->status.observedGeneration;
      if (!in_use) plan_.actions.push_back(client::remove(*set));
    }
  }

  void write_status() {
    Deployment with_conditions = deployment();
    with_conditions.status = status_;
    Rollout observed = rollout_;
    observed.deployment = std::make_shared<const Deployment>(with_conditions);
    Deployment updated = deployment();
    updated.status = rollout::status_of(observed, context_, plan_);
    if (updated.status == deployment().status) return;
    const auto at = context_.last_failure.empty() ? plan_.actions.end() : plan_.actions.begin();
    // An update of the deployment itself in the same plan moves its version: the status waits for the next
    // plan.
    const bool moves = std::ranges::any_of(plan_.actions, [](const client::Action& action) {
      return action.verb == client::Verb::kUpdate && action.resource == client::resource_of<Deployment>();
    });
    if (!moves) plan_.actions.insert(at, client::update_status(updated));
  }

  const DeploymentView& view_;
  const PlanContext& context_;
  api::apps::v1::DeploymentStatus status_;
  Rollout rollout_;
  Plan plan_;
};

}  // namespace

Plan plan_deployment(const DeploymentView& view, const std::string& key, const PlanContext& context) {
  const auto deployment = view.deployments.get(key);
  if (!deployment || !deployment->spec.selector) return {};
  if (client::is_empty(*deployment->spec.selector)) {
    Plan plan;
    if (deployment->status.observedGeneration < deployment->metadata.generation) {
      plan.events.push_back({client::ref_to(*deployment), EventLevel::kWarning, "SelectingAll",
                             "This deployment is selecting all pods. A non-empty selector is required."});
      Deployment updated = *deployment;
      updated.status.observedGeneration = deployment->metadata.generation;
      plan.actions.push_back(client::update_status(updated));
    }
    return plan;
  }
  return Step(view, context, deployment).run();
}

namespace {

std::vector<std::string> deployments_of(const DeploymentView& view, const SetPtr& before, const SetPtr& now) {
  std::vector<std::string> keys;
  for (const SetPtr& set : {before, now}) {
    if (!set) continue;
    const OwnerReference* controller = controller_of(set->metadata);
    if (controller && controller->kind == "Deployment") {
      keys.push_back(client::object_key(set->metadata.namespace_, controller->name));
    }
    if (controller || set != now) continue;
    for (const auto& deployment : view.deployments.in_namespace(set->metadata.namespace_)) {
      const auto& selector = deployment->spec.selector;
      if (selector && !client::is_empty(*selector) && client::matches(*selector, set->metadata.labels)) {
        keys.push_back(client::key_of(*deployment));
      }
    }
  }
  return keys;
}

// Recreate waits for the last old pod to go.
std::vector<std::string> deployments_of_gone(const DeploymentView& view, const PodPtr& before,
                                             const PodPtr& now) {
  if (now && !is_finished(*now)) return {};
  const OwnerReference* owner = before ? controller_of(before->metadata) : nullptr;
  if (!owner || owner->kind != "ReplicaSet") return {};
  const auto set = view.sets.get(before->metadata.namespace_, owner->name);
  if (!set) return {};
  const OwnerReference* deployment = controller_of(set->metadata);
  if (!deployment || deployment->kind != "Deployment") return {};
  return {client::object_key(set->metadata.namespace_, deployment->name)};
}

}  // namespace

ControllerPtr make_deployment_controller(const Deps& deps) {
  auto& deployments = deps.informers.of<Deployment>();
  auto& sets = deps.informers.of<ReplicaSet>();
  auto& pods = deps.informers.of<Pod>();
  add_owner_index<ReplicaSet>(sets);
  add_owner_index<Pod>(pods);
  const DeploymentView view{deployments.cache(), sets.cache(), pods.cache()};
  auto controller = std::make_unique<Controller>(deps, Controller::Options{.name = "deployment-controller"},
                                                 [view](const std::string& key, const PlanContext& context) {
                                                   return plan_deployment(view, key, context);
                                                 });
  controller->reconciler().watch(deployments);
  controller->reconciler().watch(
      sets, [view](const SetPtr& before, const SetPtr& now) { return deployments_of(view, before, now); });
  controller->reconciler().watch(pods, [view](const PodPtr& before, const PodPtr& now) {
    return deployments_of_gone(view, before, now);
  });
  return controller;
}

}  // namespace cloudless::controllers
