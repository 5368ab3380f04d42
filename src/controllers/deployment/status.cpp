#include "controllers/deployment/status.hpp"

#include <algorithm>
#include <limits>

#include "controllers/support/conditions.hpp"

namespace cloudless::controllers::rollout {

using api::apps::v1::DeploymentCondition;

namespace {

constexpr const char* kAvailable = "NewReplicaSetAvailable";
constexpr const char* kTimedOut = "ProgressDeadlineExceeded";

bool has_deadline(const Deployment& deployment) {
  return deployment.spec.progressDeadlineSeconds.value_or(600) != std::numeric_limits<int32_t>::max();
}

bool is_progressing(const Deployment& deployment, const DeploymentStatus& now) {
  const DeploymentStatus& before = deployment.status;
  return now.updatedReplicas > before.updatedReplicas ||
         now.replicas - now.updatedReplicas < before.replicas - before.updatedReplicas ||
         now.readyReplicas > before.readyReplicas || now.availableReplicas > before.availableReplicas;
}

std::optional<Duration> until_deadline(const Deployment& deployment, WallTime now) {
  const auto* progressing = find_condition(deployment.status.conditions, "Progressing");
  if (!progressing || progressing->reason == kAvailable || !progressing->lastUpdateTime) return std::nullopt;
  const auto seconds = std::chrono::seconds(deployment.spec.progressDeadlineSeconds.value_or(600));
  return *progressing->lastUpdateTime + seconds - now;
}

std::string rollout_name(const Rollout& rollout) {
  return rollout.latest ? fmt::format("ReplicaSet \"{}\"", rollout.latest->metadata.name)
                        : fmt::format("Deployment \"{}\"", rollout.deployment->metadata.name);
}

void set_available(const Rollout& rollout, DeploymentStatus& status, WallTime now) {
  DeploymentCondition condition;
  condition.type = "Available";
  condition.lastUpdateTime = now;
  const int32_t enough = rollout.wanted() - limits_of(*rollout.deployment).unavailable;
  const bool available = status.availableReplicas >= enough;
  condition.status = available ? "True" : "False";
  condition.reason = available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable";
  condition.message =
      available ? "Deployment has minimum availability." : "Deployment does not have minimum availability.";
  set_condition(status.conditions, std::move(condition), now);
}

void set_replica_failure(const Rollout& rollout, DeploymentStatus& status, WallTime now) {
  for (const SetPtr& set : rollout.all()) {
    const auto* failure = find_condition(set->status.conditions, "ReplicaFailure");
    if (!failure) continue;
    DeploymentCondition condition;
    condition.type = failure->type;
    condition.status = failure->status;
    condition.reason = failure->reason;
    condition.message = failure->message;
    condition.lastUpdateTime = now;
    set_condition(status.conditions, std::move(condition), now);
    return;
  }
  remove_condition(status.conditions, "ReplicaFailure");
}

// A paused deployment makes no progress and must not time out for it.
void set_paused(const Deployment& deployment, DeploymentStatus& status, WallTime now) {
  const auto* progressing = find_condition(status.conditions, "Progressing");
  if (progressing && progressing->reason == kTimedOut) return;
  const bool says_paused = progressing && progressing->reason == "DeploymentPaused";
  if (deployment.spec.paused && !says_paused) {
    set_progressing(status, "Unknown", "DeploymentPaused", "Deployment is paused", now);
  } else if (!deployment.spec.paused && says_paused) {
    set_progressing(status, "Unknown", "DeploymentResumed", "Deployment is resumed", now);
  }
}

void set_progress(const Rollout& rollout, DeploymentStatus& status, const PlanContext& context, Plan& plan) {
  const Deployment& deployment = *rollout.deployment;
  const auto* progressing = find_condition(status.conditions, "Progressing");
  const bool was_complete =
      status.replicas == status.updatedReplicas && progressing && progressing->reason == kAvailable;
  if (!was_complete) {
    const auto left = until_deadline(deployment, context.now);
    if (is_complete(deployment, status)) {
      set_progressing(status, "True", kAvailable, rollout_name(rollout) + " has successfully progressed.",
                      context.now);
    } else if (is_progressing(deployment, status)) {
      // Anew even if it says so already: the deadline counts from the last progress.
      const std::string message = rollout_name(rollout) + " is progressing.";
      set_progressing(status, "True", "ReplicaSetUpdated", message, context.now);
    } else if (left && *left < Duration(0)) {
      set_progressing(status, "False", kTimedOut, rollout_name(rollout) + " has timed out progressing.",
                      context.now);
    } else if (left) {
      plan.look_again(*left + std::chrono::seconds(1));
    }
  }
}

}  // namespace

bool is_complete(const Deployment& deployment, const DeploymentStatus& status) {
  const int32_t wanted = deployment.spec.replicas.value_or(1);
  return status.updatedReplicas == wanted && status.replicas == wanted &&
         status.availableReplicas == wanted && status.observedGeneration >= deployment.metadata.generation;
}

void set_progressing(DeploymentStatus& status, const char* truth, const char* reason, std::string message,
                     WallTime now) {
  DeploymentCondition condition;
  condition.type = "Progressing";
  condition.status = truth;
  condition.reason = reason;
  condition.message = std::move(message);
  condition.lastUpdateTime = now;
  condition.lastTransitionTime = now;
  const auto found = std::ranges::find(status.conditions, condition.type, &DeploymentCondition::type);
  if (found == status.conditions.end()) {
    status.conditions.push_back(std::move(condition));
    return;
  }
  if (found->status == condition.status) condition.lastTransitionTime = found->lastTransitionTime;
  *found = std::move(condition);
}

DeploymentStatus status_of(const Rollout& rollout, const PlanContext& context, Plan& plan) {
  const Deployment& deployment = *rollout.deployment;
  DeploymentStatus status = deployment.status;
  status.replicas = status.readyReplicas = status.availableReplicas = 0;
  int32_t terminating = 0;
  for (const SetPtr& set : rollout.all()) {
    status.replicas += set->status.replicas;
    status.readyReplicas += set->status.readyReplicas;
    status.availableReplicas += set->status.availableReplicas;
    terminating += set->status.terminatingReplicas.value_or(0);
  }
  status.terminatingReplicas = terminating;
  status.updatedReplicas = rollout.latest ? rollout.latest->status.replicas : 0;
  status.unavailableReplicas = std::max(0, replicas_of(rollout.all()) - status.availableReplicas);
  status.observedGeneration = deployment.metadata.generation;
  set_available(rollout, status, context.now);
  if (has_deadline(deployment)) {
    set_paused(deployment, status, context.now);
    if (!deployment.spec.paused) set_progress(rollout, status, context, plan);
  }
  set_replica_failure(rollout, status, context.now);
  return status;
}

}  // namespace cloudless::controllers::rollout
