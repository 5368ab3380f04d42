// PodSet: pods that are alike, kept at a number. What ReplicaSet and ReplicationController share.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/action.hpp"
#include "client/selector.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/conditions.hpp"
#include "controllers/support/pods.hpp"

namespace cloudless::controllers {

/// How many pods one plan creates or deletes at most (upstream's BurstReplicas).
inline constexpr int32_t kBurstReplicas = 500;
/// How long the names of pods to create stay the same while nothing else changes.
inline constexpr Duration kNameSeedSpan = std::chrono::hours(1);

/// The pods that a set counts, and what their status says.
struct PodCounts {
  int32_t replicas = 0;
  int32_t fully_labeled = 0;
  int32_t ready = 0;
  int32_t available = 0;
  int32_t terminating = 0;
};
PodCounts count_pods(const std::vector<PodPtr>& pods, const client::Labels& template_labels,
                     int32_t min_ready_seconds, WallTime now);

/// Events as every pod control upstream records them.
client::Action create_pod(const Pod& pod, const client::ObjectRef& owner);
client::Action delete_pod(const Pod& pod, const client::ObjectRef& owner);

/// Counts, per owner, the pods that went. Part of what names of new pods are derived from.
class Departures {
 public:
  void note(const PodPtr& before, const PodPtr& now);
  void forget(const std::string& owner_uid) { counts_.erase(owner_uid); }
  uint64_t of(const std::string& owner_uid) const;

 private:
  std::map<std::string, uint64_t> counts_;
};

/// What the names of an owner's new objects are derived from. It stays the same while nothing goes: a create
/// that is repeated because its answer was lost asks for the same name and meets its first try. It changes
/// with departures, so that a new pod is told from the one before it, and with time, so that a name taken by
/// another does not block for long.
std::string name_seed(const ObjectMeta& owner, const Departures& departures, WallTime now);
/// `count` names that none of `taken` has.
std::vector<std::string> new_names(const std::string& prefix, const std::string& seed, int32_t count,
                                   const std::vector<PodPtr>& taken);

/// Creates or deletes pods of `pod_template` so that `wanted` are active.
template <class Owner>
void plan_replicas(const Owner& owner, const PodTemplateSpec& pod_template, int32_t wanted,
                   const std::vector<PodPtr>& pods, const Departures& departures, const PlanContext& context,
                   Plan& plan) {
  std::vector<PodPtr> active;
  for (const PodPtr& pod : pods) {
    if (is_active(*pod)) active.push_back(pod);
  }
  const client::ObjectRef about = client::ref_to(owner);
  const auto have = static_cast<int32_t>(active.size());
  const int32_t missing = std::clamp(wanted - have, 0, kBurstReplicas);
  const std::string seed = name_seed(owner.metadata, departures, context.now);
  for (std::string& name : new_names(owner.metadata.name, seed, missing, pods)) {
    plan.actions.push_back(create_pod(pod_from_template(pod_template, owner, std::move(name)), about));
    plan.look_again(kNameSeedSpan);
  }
  if (have <= wanted) return;
  sort_for_deletion(active, active);
  active.resize(static_cast<size_t>(std::min(have - wanted, kBurstReplicas)));
  for (const PodPtr& pod : active) plan.actions.push_back(delete_pod(*pod, about));
}

/// Sets or removes ReplicaFailure by what the last plan met, and has `plan` look again when the next pod
/// becomes available.
template <class Condition>
void set_replica_failure(std::vector<Condition>& conditions, const PlanContext& context) {
  if (context.last_failure.empty()) {
    remove_condition(conditions, "ReplicaFailure");
    return;
  }
  Condition condition;
  condition.type = "ReplicaFailure";
  condition.status = "True";
  condition.reason = "FailedCreate";
  condition.message = context.last_failure;
  set_condition(conditions, std::move(condition), context.now);
}
void look_again_when_available(const std::vector<PodPtr>& pods, int32_t min_ready_seconds, WallTime now,
                               Plan& plan);

/// The keys of the owners that would adopt an orphan.
using Adopters = std::function<std::vector<std::string>(const Pod& orphan)>;

/// The keys of the owners of kind `kind` that a change of a pod concerns: its controllers before and now, or,
/// for an orphan, its adopters.
std::vector<std::string> owners_of_change(const PodPtr& before, const PodPtr& now, std::string_view kind,
                                          const Adopters& adopters);

/// Has a controller follow its owners and their pods. Departures are counted as long as the owner is there.
template <class Owner>
void follow_with_pods(
    client::Reconciler& reconciler, client::Informer<Owner>& owners, client::Informer<Pod>& pods,
    const std::shared_ptr<Departures>& departures,
    Adopters adopters = [](const Pod&) { return std::vector<std::string>(); }) {
  reconciler.watch(owners);
  owners.add_handler([departures](const auto& before, const auto& now) {
    if (!now) departures->forget(before->metadata.uid);
  });
  reconciler.watch(pods,
                   [departures, adopters = std::move(adopters)](const PodPtr& before, const PodPtr& now) {
                     departures->note(before, now);
                     return owners_of_change(before, now, client::resource_of<Owner>().kind, adopters);
                   });
}

}  // namespace cloudless::controllers
