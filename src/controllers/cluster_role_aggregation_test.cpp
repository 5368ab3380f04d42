#include "controllers/cluster_role_aggregation.hpp"

#include <gtest/gtest.h>

#include "client/informer.hpp"

namespace cloudless::controllers {
namespace {

using api::rbac::v1::ClusterRole;
using client::Verb;

struct Roles {
  client::ObjectCache<ClusterRole> cache;

  void put(ClusterRole role) {
    auto shared = std::make_shared<const ClusterRole>(std::move(role));
    cache.put(client::key_of(*shared), shared);
  }
  Plan plan() { return plan_cluster_role_aggregation({cache}); }
};

ClusterRole role(const std::string& name, const std::string& resource,
                 std::map<std::string, std::string> labels) {
  ClusterRole out;
  out.metadata.name = name;
  out.metadata.resourceVersion = "1";
  for (auto& [key, value] : labels) out.metadata.labels[key] = value;
  auto& rule = out.rules.emplace_back();
  rule.verbs = {"get"};
  rule.apiGroups = {"example.com"};
  rule.resources = {resource};
  return out;
}

ClusterRole aggregate(const std::string& name) {
  ClusterRole out = role(name, "", {{"to", "all"}});
  out.rules.clear();
  out.aggregationRule.get_or_emplace().clusterRoleSelectors.emplace_back().matchLabels["to"] = "all";
  return out;
}

TEST(ClusterRoleAggregation, ARoleHoldsTheRulesOfThoseThatItSelects) {
  Roles roles;
  roles.put(aggregate("view"));
  roles.put(role("b", "gadgets", {{"to", "all"}}));
  roles.put(role("a", "widgets", {{"to", "all"}}));
  roles.put(role("c", "widgets", {{"to", "all"}}));
  roles.put(role("other", "secrets", {}));
  const Plan plan = roles.plan();
  ASSERT_EQ(plan.actions.size(), 1U);
  EXPECT_EQ(plan.actions[0].verb, Verb::kUpdate);
  EXPECT_EQ(plan.actions[0].name, "view");
  EXPECT_TRUE(plan.actions[0].body.contains(R"("resources":["widgets"])")) << plan.actions[0].body;
  EXPECT_LT(plan.actions[0].body.find("widgets"), plan.actions[0].body.find("gadgets"));
  EXPECT_FALSE(plan.actions[0].body.contains("secrets"));
}

TEST(ClusterRoleAggregation, WhatAgreesIsLeftAlone) {
  Roles roles;
  ClusterRole view = aggregate("view");
  view.rules = role("a", "widgets", {}).rules;
  roles.put(view);
  roles.put(role("a", "widgets", {{"to", "all"}}));
  EXPECT_TRUE(roles.plan().actions.empty());
}

TEST(ClusterRoleAggregation, ARoleThatNobodyMatchesAnyMoreLosesItsRules) {
  Roles roles;
  ClusterRole view = aggregate("view");
  view.rules = role("a", "widgets", {}).rules;
  roles.put(view);
  EXPECT_EQ(roles.plan().actions.size(), 1U);
}

}  // namespace
}  // namespace cloudless::controllers
