// Disruption: how many of the pods that a PodDisruptionBudget selects may be evicted now (upstream:
// pkg/controller/disruption). The API server takes one from status.disruptionsAllowed for each eviction and
// notes the pod in status.disruptedPods; here the pod counts as gone from then on, until it is, or until
// kDeletionTimeout has shown that nobody deletes it.
//
//     desiredHealthy   minAvailable, or expectedPods - maxUnavailable
//     expectedPods     the sum of what the pods' owners want; where minAvailable is a number, the pods that
//     are there allowed          currentHealthy - desiredHealthy, not below 0
#pragma once

#include "api/apps_v1.hpp"
#include "api/policy_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/pods.hpp"

namespace cloudless::controllers {

/// Upstream's DeletionTimeout.
inline constexpr std::chrono::minutes kDeletionTimeout{2};

struct DisruptionView {
  const client::ObjectCache<api::policy::v1::PodDisruptionBudget>& budgets;
  const client::ObjectCache<Pod>& pods;
  const client::ObjectCache<api::apps::v1::ReplicaSet>& replica_sets;
  const client::ObjectCache<api::apps::v1::Deployment>& deployments;
  const client::ObjectCache<api::apps::v1::StatefulSet>& stateful_sets;
  const client::ObjectCache<api::core::v1::ReplicationController>& replication_controllers;
};

/// Writes the status where it differs. A budget whose pods' owners have no scale allows nothing, and says so
/// in its condition and an event.
Plan plan_disruption(const DisruptionView& view, const std::string& key, const PlanContext& context);
ControllerPtr make_disruption_controller(const Deps& deps);

}  // namespace cloudless::controllers
