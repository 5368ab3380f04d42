#include "controllers/disruption.hpp"

#include <algorithm>
#include <set>

#include "base/strings.hpp"
#include "client/selector.hpp"
#include "controllers/support/conditions.hpp"

namespace cloudless::controllers {

using api::policy::v1::PodDisruptionBudget;
using api::policy::v1::PodDisruptionBudgetStatus;
using client::EventLevel;
using client::EventText;

namespace {

constexpr const char* kCondition = "DisruptionAllowed";

EventText event(const PodDisruptionBudget& budget, EventLevel level, std::string reason,
                std::string message) {
  return {client::ref_to(budget), level, std::move(reason), std::move(message)};
}

std::vector<PodPtr> selected_pods(const DisruptionView& view, const PodDisruptionBudget& budget) {
  std::vector<PodPtr> selected;
  if (!budget.spec.selector) return selected;
  for (const PodPtr& pod : view.pods.in_namespace(budget.metadata.namespace_)) {
    if (client::matches(*budget.spec.selector, pod->metadata.labels)) selected.push_back(pod);
  }
  return selected;
}

template <class T>
std::shared_ptr<const T> owner_in(const client::ObjectCache<T>& cache, const std::string& ns,
                                  const OwnerReference& reference) {
  auto found = cache.get(client::object_key(ns, reference.name));
  // A controller of the same name that is another one now is not the owner.
  return found && found->metadata.uid == reference.uid ? found : nullptr;
}

// Who decides how many pods there are to be, and how many that is.
struct Scale {
  std::string uid;
  int32_t replicas = 0;
};

template <class T>
std::optional<Scale> scale_of(const std::shared_ptr<const T>& owner) {
  if (!owner) return std::nullopt;
  return Scale{owner->metadata.uid, owner->spec.replicas.value_or(1)};
}

std::optional<Scale> replica_set_scale(const DisruptionView& view, const std::string& ns,
                                       const OwnerReference& reference) {
  const auto set = owner_in(view.replica_sets, ns, reference);
  if (!set) return std::nullopt;
  const OwnerReference* above = controller_of(set->metadata);
  if (!above) return scale_of(set);
  if (above->kind != "Deployment" || !above->apiVersion.starts_with("apps/")) return std::nullopt;
  return scale_of(owner_in(view.deployments, ns, *above));
}

std::optional<Scale> find_scale(const DisruptionView& view, const std::string& ns,
                                const OwnerReference& reference) {
  const bool is_apps = reference.apiVersion.starts_with("apps/");
  if (is_apps && reference.kind == "ReplicaSet") return replica_set_scale(view, ns, reference);
  if (is_apps && reference.kind == "Deployment") return scale_of(owner_in(view.deployments, ns, reference));
  if (is_apps && reference.kind == "StatefulSet")
    return scale_of(owner_in(view.stateful_sets, ns, reference));
  if (reference.apiVersion == "v1" && reference.kind == "ReplicationController")
    return scale_of(owner_in(view.replication_controllers, ns, reference));
  return std::nullopt;
}

// What the owners of all pods want together. Pods without an owner are counted by nobody.
Result<int32_t> expected_scale(const DisruptionView& view, const PodDisruptionBudget& budget,
                               const std::vector<PodPtr>& pods, Plan& plan) {
  int32_t expected = 0;
  std::set<std::string> counted;
  std::vector<std::string> unmanaged;
  for (const PodPtr& pod : pods) {
    const OwnerReference* reference = controller_of(pod->metadata);
    if (!reference) {
      unmanaged.push_back(pod->metadata.name);
      continue;
    }
    if (counted.contains(reference->uid)) continue;
    const auto scale = find_scale(view, pod->metadata.namespace_, *reference);
    if (!scale) return fail(Code::kNotFound, "found no controllers for pod {}", quote(pod->metadata.name));
    counted.insert(reference->uid);
    // Two ReplicaSets of one Deployment count once.
    if (scale->uid == reference->uid || counted.insert(scale->uid).second) expected += scale->replicas;
  }
  if (!unmanaged.empty())
    plan.events.push_back(
        event(budget, EventLevel::kWarning, "UnmanagedPods",
              fmt::format(
                  "Pods selected by this PodDisruptionBudget ({}) were found to be unmanaged. To account for "
                  "them set \".spec.minAvailable\" to an integer value.",
                  join(unmanaged, ", "))));
  return expected;
}

struct Demand {
  int32_t expected = 0;
  int32_t healthy = 0;
};

Result<Demand> demand_of(const DisruptionView& view, const PodDisruptionBudget& budget,
                         const std::vector<PodPtr>& pods, Plan& plan) {
  Demand demand;
  const auto& spec = budget.spec;
  if (spec.maxUnavailable) {
    demand.expected = TRY(expected_scale(view, budget, pods, plan));
    const int32_t unavailable =
        TRY(schema::scaled_value(*spec.maxUnavailable, demand.expected, schema::Rounding::kUp));
    demand.healthy = std::max(0, demand.expected - unavailable);
  } else if (spec.minAvailable && spec.minAvailable->is_string) {
    demand.expected = TRY(expected_scale(view, budget, pods, plan));
    demand.healthy = TRY(schema::scaled_value(*spec.minAvailable, demand.expected, schema::Rounding::kUp));
  } else if (spec.minAvailable) {
    demand.expected = static_cast<int32_t>(pods.size());
    demand.healthy = spec.minAvailable->number;
  }
  return demand;
}

// Evicted pods whose deletion has not been seen yet.
std::map<std::string, schema::Time> still_disrupted(const PodDisruptionBudget& budget,
                                                    const std::vector<PodPtr>& pods, WallTime now,
                                                    Plan& plan) {
  std::map<std::string, schema::Time> kept;
  for (const PodPtr& pod : pods) {
    if (pod->metadata.deletionTimestamp) continue;
    const auto noted = budget.status.disruptedPods.find(pod->metadata.name);
    if (noted == budget.status.disruptedPods.end() || !noted->second) continue;
    const WallTime expected = *noted->second + kDeletionTimeout;
    if (expected <= now) {
      plan.events.push_back({client::ref_to(*pod), EventLevel::kWarning, "NotDeleted",
                             fmt::format("Pod was expected by PDB {}/{} to be deleted but it wasn't",
                                         budget.metadata.namespace_, budget.metadata.name)});
      continue;
    }
    plan.look_again(expected - now);
    kept.insert(*noted);
  }
  return kept;
}

int32_t count_healthy(const std::vector<PodPtr>& pods, const std::map<std::string, schema::Time>& disrupted) {
  return static_cast<int32_t>(std::ranges::count_if(pods, [&](const PodPtr& pod) {
    return !pod->metadata.deletionTimestamp && !disrupted.contains(pod->metadata.name) && is_ready(*pod);
  }));
}

void set_allowed(PodDisruptionBudgetStatus& status, std::string reason, std::string message,
                 int64_t generation, WallTime now) {
  api::meta::v1::Condition condition;
  condition.type = kCondition;
  condition.status = status.disruptionsAllowed > 0 ? "True" : "False";
  condition.reason = std::move(reason);
  condition.message = std::move(message);
  condition.observedGeneration = generation;
  if (const auto* present = find_condition(status.conditions, kCondition)) {
    condition.lastTransitionTime = present->lastTransitionTime;
    if (*present == condition) return;
    const bool turned = present->status != condition.status;
    if (turned) condition.lastTransitionTime = now;
    *std::ranges::find(status.conditions, kCondition, &api::meta::v1::Condition::type) = std::move(condition);
    return;
  }
  condition.lastTransitionTime = now;
  status.conditions.push_back(std::move(condition));
}

// Nothing may be evicted while it is not known what is there.
void fail_safe(const PodDisruptionBudget& budget, const Error& error, WallTime now, Plan& plan) {
  PodDisruptionBudget updated = budget;
  updated.status.disruptionsAllowed = 0;
  set_allowed(updated.status, "SyncFailed", error.message, budget.metadata.generation, now);
  if (updated.status == budget.status) return;
  plan.events.push_back(event(budget, EventLevel::kWarning, "CalculateExpectedPodCountFailed",
                              "Failed to calculate the number of expected pods: " + error.message));
  plan.actions.push_back(client::update_status(updated));
}

std::vector<std::string> budgets_of_pod(const client::ObjectCache<PodDisruptionBudget>& budgets,
                                        const PodPtr& pod) {
  std::vector<std::string> keys;
  if (!pod) return keys;
  for (const auto& [key, budget] : budgets.all()) {
    if (budget->metadata.namespace_ == pod->metadata.namespace_ && budget->spec.selector &&
        client::matches(*budget->spec.selector, pod->metadata.labels))
      keys.push_back(key);
  }
  return keys;
}

// A change of an owner's scale touches the budgets of its namespace.
template <class T>
void watch_scale(Controller& controller, client::Informer<T>& owners,
                 const client::ObjectCache<PodDisruptionBudget>& budgets) {
  controller.reconciler().watch(owners, [&budgets](const auto& before, const auto& now) {
    std::vector<std::string> keys;
    if (before && now && before->spec.replicas == now->spec.replicas) return keys;
    const std::string& ns = (now ? now : before)->metadata.namespace_;
    for (const auto& [key, budget] : budgets.all()) {
      if (budget->metadata.namespace_ == ns) keys.push_back(key);
    }
    return keys;
  });
}

}  // namespace

Plan plan_disruption(const DisruptionView& view, const std::string& key, const PlanContext& context) {
  Plan plan;
  const auto budget = view.budgets.get(key);
  if (!budget || budget->metadata.deletionTimestamp) return plan;
  const std::vector<PodPtr> pods = selected_pods(view, *budget);
  if (pods.empty())
    plan.events.push_back(event(*budget, EventLevel::kNormal, "NoPods", "No matching pods found"));
  const auto demand = demand_of(view, *budget, pods, plan);
  if (!demand) {
    fail_safe(*budget, demand.error(), context.now, plan);
    return plan;
  }
  PodDisruptionBudget updated = *budget;
  PodDisruptionBudgetStatus& status = updated.status;
  status.disruptedPods = still_disrupted(*budget, pods, context.now, plan);
  status.currentHealthy = count_healthy(pods, status.disruptedPods);
  status.desiredHealthy = demand->healthy;
  status.expectedPods = demand->expected;
  status.disruptionsAllowed =
      demand->expected > 0 ? std::max(0, status.currentHealthy - status.desiredHealthy) : 0;
  status.observedGeneration = budget->metadata.generation;
  set_allowed(status, status.disruptionsAllowed > 0 ? "SufficientPods" : "InsufficientPods", "",
              budget->metadata.generation, context.now);
  // An event tells what has changed; nobody is told again of what stays.
  if (status == budget->status) {
    plan.events.clear();
  } else {
    plan.actions.push_back(client::update_status(updated));
  }
  return plan;
}

ControllerPtr make_disruption_controller(const Deps& deps) {
  auto& budgets = deps.informers.of<PodDisruptionBudget>();
  auto& pods = deps.informers.of<Pod>();
  auto& replica_sets = deps.informers.of<api::apps::v1::ReplicaSet>();
  auto& deployments = deps.informers.of<api::apps::v1::Deployment>();
  auto& stateful_sets = deps.informers.of<api::apps::v1::StatefulSet>();
  auto& replication_controllers = deps.informers.of<api::core::v1::ReplicationController>();
  const DisruptionView view{budgets.cache(),     pods.cache(),          replica_sets.cache(),
                            deployments.cache(), stateful_sets.cache(), replication_controllers.cache()};
  auto controller = std::make_unique<Controller>(
      deps,
      Controller::Options{.name = "disruption-controller", .component = "controllermanager", .workers = 1},
      [view](const std::string& key, const PlanContext& context) {
        return plan_disruption(view, key, context);
      });
  controller->reconciler().watch(budgets);
  controller->reconciler().watch(pods, [&budgets](const PodPtr& before, const PodPtr& now) {
    std::vector<std::string> keys = budgets_of_pod(budgets.cache(), before);
    for (std::string& key : budgets_of_pod(budgets.cache(), now)) keys.push_back(std::move(key));
    return keys;
  });
  watch_scale(*controller, replica_sets, budgets.cache());
  watch_scale(*controller, deployments, budgets.cache());
  watch_scale(*controller, stateful_sets, budgets.cache());
  watch_scale(*controller, replication_controllers, budgets.cache());
  return controller;
}

}  // namespace cloudless::controllers
