// Deployment: rolls a pod template out by making one ReplicaSet per template and shifting replicas between
// them (upstream: pkg/controller/deployment).
//
//   new template -> new ReplicaSet (revision n+1) -> up by maxSurge / old ones down to keep minAvailable ->
//   ...
//                -> all on the new one -> old ones beyond revisionHistoryLimit deleted
//
// One plan makes one step; the ReplicaSets' changes bring the next.
#pragma once

#include "api/apps_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/pods.hpp"

namespace cloudless::controllers {

struct DeploymentView {
  const client::ObjectCache<api::apps::v1::Deployment>& deployments;
  const client::ObjectCache<api::apps::v1::ReplicaSet>& sets;  // with the owner index
  const client::ObjectCache<Pod>& pods;                        // with the owner index
};

Plan plan_deployment(const DeploymentView& view, const std::string& key, const PlanContext& context);
ControllerPtr make_deployment_controller(const Deps& deps);

}  // namespace cloudless::controllers
