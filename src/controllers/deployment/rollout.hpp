// The arithmetic of a rollout and the sets that it works on. No I/O.
#pragma once

#include <memory>
#include <vector>

#include "api/apps_v1.hpp"
#include "client/action.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/pods.hpp"

namespace cloudless::controllers::rollout {

using api::apps::v1::Deployment;
using api::apps::v1::DeploymentStatus;
using api::apps::v1::ReplicaSet;
using SetPtr = std::shared_ptr<const ReplicaSet>;

inline constexpr const char* kRevision = "deployment.kubernetes.io/revision";
inline constexpr const char* kRevisionHistory = "deployment.kubernetes.io/revision-history";
inline constexpr const char* kDesiredReplicas = "deployment.kubernetes.io/desired-replicas";
inline constexpr const char* kMaxReplicas = "deployment.kubernetes.io/max-replicas";

/// A deployment with its ReplicaSets, oldest first.
struct Rollout {
  std::shared_ptr<const Deployment> deployment;
  SetPtr latest;            // of the deployment's template; null if there is none
  std::vector<SetPtr> old;  // all others

  std::vector<SetPtr> all() const;
  int32_t wanted() const { return deployment->spec.replicas.value_or(1); }
};

/// maxSurge and maxUnavailable in pods; never both 0 (rounded up and down).
struct Limits {
  int32_t surge = 0;
  int32_t unavailable = 0;
};
Limits limits_of(const Deployment& deployment);
bool is_rolling(const Deployment& deployment);
int32_t replicas_of(const ReplicaSet& set);
int32_t replicas_of(const std::vector<SetPtr>& sets);
int32_t available_of(const std::vector<SetPtr>& sets);

/// The set of the deployment's template among `sets`, oldest first; templates compare without their hash
/// label.
SetPtr find_latest(const Deployment& deployment, const std::vector<SetPtr>& sets);
int64_t revision_of(const ObjectMeta& metadata);

/// How many replicas the latest set should have next.
int32_t next_latest_replicas(const Rollout& rollout, int32_t now_has);

/// The steps of a rolling update: at most one of scaling the latest up or the old ones down.
void plan_rolling(const Rollout& rollout, Plan& plan);
/// Recreate: the old ones to zero, then, once their pods are gone, the latest up.
void plan_recreate(const Rollout& rollout, const std::vector<PodPtr>& old_pods, Plan& plan);
/// Shares a change of spec.replicas out among the sets in proportion to their size.
void plan_proportional(const Rollout& rollout, Plan& plan);

/// Sets a set's replicas and its annotations of the deployment's size.
void scale(const Rollout& rollout, const ReplicaSet& set, int32_t replicas, Plan& plan);
/// Puts the annotations of the deployment's size; true if that changes the set.
bool annotate_size(const Deployment& deployment, ReplicaSet& set);

}  // namespace cloudless::controllers::rollout
