// ClusterRole aggregation (upstream: pkg/controller/clusterroleaggregation): a role with an aggregationRule
// holds the rules of all roles that its selectors match.
#pragma once

#include "api/rbac_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"

namespace cloudless::controllers {

struct ClusterRoleAggregationView {
  const client::ObjectCache<api::rbac::v1::ClusterRole>& roles;
};
/// All aggregated roles at once: there are few, and one change may concern several.
Plan plan_cluster_role_aggregation(const ClusterRoleAggregationView& view);
ControllerPtr make_cluster_role_aggregation_controller(const Deps& deps);

}  // namespace cloudless::controllers
