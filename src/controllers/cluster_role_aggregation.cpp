#include "controllers/cluster_role_aggregation.hpp"

#include <algorithm>

#include "base/ranges.hpp"
#include "client/selector.hpp"

namespace cloudless::controllers {

using api::rbac::v1::ClusterRole;
using api::rbac::v1::PolicyRule;

namespace {

constexpr const char* kKey = "all";

// The selectors in their order, the roles of each by name; a rule that is there already is not repeated.
std::vector<PolicyRule> aggregated_rules(const ClusterRole& role, const ClusterRoleAggregationView& view) {
  std::vector<PolicyRule> rules;
  for (const auto& selector : role.aggregationRule->clusterRoleSelectors) {
    for (const auto& [name, other] : view.roles.all()) {
      if (other->metadata.name == role.metadata.name) continue;
      if (!client::matches(selector, other->metadata.labels)) continue;
      for (const PolicyRule& rule : other->rules) {
        if (!contains(rules, rule)) rules.push_back(rule);
      }
    }
  }
  return rules;
}

}  // namespace

Plan plan_cluster_role_aggregation(const ClusterRoleAggregationView& view) {
  Plan plan;
  for (const auto& [name, role] : view.roles.all()) {
    if (!role->aggregationRule || role->metadata.deletionTimestamp) continue;
    std::vector<PolicyRule> rules = aggregated_rules(*role, view);
    if (rules == role->rules) continue;
    ClusterRole updated = *role;
    updated.rules = std::move(rules);
    plan.actions.push_back(client::update(updated));
  }
  return plan;
}

ControllerPtr make_cluster_role_aggregation_controller(const Deps& deps) {
  auto& roles = deps.informers.of<ClusterRole>();
  const ClusterRoleAggregationView view{roles.cache()};
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "clusterrole-aggregation-controller", .workers = 1},
      [view](const std::string&, const PlanContext&) { return plan_cluster_role_aggregation(view); });
  controller->reconciler().watch(roles,
                                 [](const auto&, const auto&) -> std::vector<std::string> { return {kKey}; });
  return controller;
}

}  // namespace cloudless::controllers
