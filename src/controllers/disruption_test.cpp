#include "controllers/disruption.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/struct_codec.hpp"

namespace cloudless::controllers {
namespace {

using namespace std::chrono_literals;
using api::apps::v1::Deployment;
using api::apps::v1::ReplicaSet;
using api::policy::v1::PodDisruptionBudget;
using client::ObjectCache;
using ::testing::HasSubstr;

constexpr WallTime kNow{1'790'000'000s};

class DisruptionTest : public ::testing::Test {
 protected:
  template <class T>
  static T named(const std::string& name) {
    T object;
    object.metadata.name = name;
    object.metadata.namespace_ = "default";
    object.metadata.uid = "uid-" + name;
    return object;
  }
  template <class T>
  static void put(ObjectCache<T>& cache, T object) {
    auto shared = std::make_shared<const T>(std::move(object));
    cache.put(client::key_of(*shared), shared);
  }

  // A Deployment with a ReplicaSet and so many ready pods.
  void add_deployment(const std::string& name, int32_t replicas, int ready) {
    auto deployment = named<Deployment>(name);
    deployment.spec.replicas = replicas;
    auto set = named<ReplicaSet>(name + "-1");
    set.spec.replicas = replicas;
    set.metadata.ownerReferences = {controller_reference(deployment)};
    for (int i = 0; i < replicas; ++i) add_pod(name + "-" + std::to_string(i), &set, i < ready);
    put(deployments_, std::move(deployment));
    put(replica_sets_, std::move(set));
  }
  void add_pod(const std::string& name, const ReplicaSet* owner, bool ready) {
    auto pod = named<Pod>(name);
    pod.metadata.labels = {{"app", "web"}};
    if (owner) pod.metadata.ownerReferences = {controller_reference(*owner)};
    pod.status.phase = "Running";
    auto& condition = pod.status.conditions.emplace_back();
    condition.type = "Ready";
    condition.status = ready ? "True" : "False";
    put(pods_, std::move(pod));
  }
  static PodDisruptionBudget budget(std::optional<schema::IntOrString> min_available,
                                    std::optional<schema::IntOrString> max_unavailable) {
    auto out = named<PodDisruptionBudget>("budget");
    out.metadata.generation = 3;
    out.spec.selector.emplace().matchLabels = {{"app", "web"}};
    out.spec.minAvailable = std::move(min_available);
    out.spec.maxUnavailable = std::move(max_unavailable);
    return out;
  }
  Plan plan(WallTime now = kNow) {
    return plan_disruption(
        {budgets_, pods_, replica_sets_, deployments_, stateful_sets_, replication_controllers_},
        "default/budget", {.now = now});
  }
  // The status that the plan writes.
  PodDisruptionBudget written(WallTime now = kNow) {
    const Plan made = plan(now);
    EXPECT_EQ(made.actions.size(), 1u);
    if (made.actions.empty()) return {};
    EXPECT_EQ(made.actions[0].subresource, "status");
    return client::decode_object<PodDisruptionBudget>(std::string_view(made.actions[0].body)).value();
  }

  ObjectCache<PodDisruptionBudget> budgets_;
  ObjectCache<Pod> pods_;
  ObjectCache<ReplicaSet> replica_sets_;
  ObjectCache<Deployment> deployments_;
  ObjectCache<api::apps::v1::StatefulSet> stateful_sets_;
  ObjectCache<api::core::v1::ReplicationController> replication_controllers_;
};

TEST_F(DisruptionTest, AllowsWhatIsHealthyBeyondWhatIsDesired) {
  struct Case {
    std::optional<schema::IntOrString> min_available;
    std::optional<schema::IntOrString> max_unavailable;
    int32_t replicas;
    int ready;
    int32_t desired;
    int32_t allowed;
  };
  const Case cases[] = {
      {2, {}, 3, 3, 2, 1},     {2, {}, 3, 2, 2, 0},      {5, {}, 3, 3, 5, 0},      {0, {}, 3, 3, 0, 3},
      {"50%", {}, 3, 3, 2, 1}, {"100%", {}, 4, 4, 4, 0}, {{}, 1, 3, 3, 2, 1},      {{}, 0, 3, 3, 3, 0},
      {{}, "30%", 3, 3, 2, 1}, {{}, "50%", 5, 5, 2, 3},  {{}, "100%", 3, 1, 0, 1}, {{}, 9, 3, 3, 0, 3},
  };
  for (const Case& row : cases) {
    pods_ = {};
    replica_sets_ = {};
    deployments_ = {};
    add_deployment("web", row.replicas, row.ready);
    put(budgets_, budget(row.min_available, row.max_unavailable));
    const auto status = written().status;
    const std::string name = (row.min_available ? "min " + row.min_available->to_string()
                                                : "max " + row.max_unavailable->to_string());
    EXPECT_EQ(status.expectedPods, row.replicas) << name;
    EXPECT_EQ(status.currentHealthy, row.ready) << name;
    EXPECT_EQ(status.desiredHealthy, row.desired) << name;
    EXPECT_EQ(status.disruptionsAllowed, row.allowed) << name;
    EXPECT_EQ(status.observedGeneration, 3);
    ASSERT_EQ(status.conditions.size(), 1u);
    EXPECT_EQ(status.conditions[0].status, row.allowed > 0 ? "True" : "False") << name;
    EXPECT_EQ(status.conditions[0].reason, row.allowed > 0 ? "SufficientPods" : "InsufficientPods") << name;
  }
}

// A roll-out has two ReplicaSets of one Deployment, whose scale counts once.
TEST_F(DisruptionTest, CountsADeploymentOnce) {
  add_deployment("web", 4, 4);
  auto old = named<ReplicaSet>("web-0");
  old.spec.replicas = 1;
  old.metadata.ownerReferences = {controller_reference(*deployments_.get("default/web"))};
  add_pod("old", &old, true);
  put(replica_sets_, std::move(old));
  put(budgets_, budget({}, "25%"));
  const auto status = written().status;
  EXPECT_EQ(status.expectedPods, 4);
  EXPECT_EQ(status.desiredHealthy, 3);
  EXPECT_EQ(status.disruptionsAllowed, 2);
}

TEST_F(DisruptionTest, AnEvictedPodCountsAsGoneForTwoMinutes) {
  add_deployment("web", 3, 3);
  auto noted = budget({}, 1);
  noted.status.disruptedPods["web-0"] = kNow - 1min;
  noted.status.disruptedPods["long-gone"] = kNow - 1min;
  put(budgets_, noted);
  const auto status = written().status;
  EXPECT_EQ(status.currentHealthy, 2);
  EXPECT_EQ(status.disruptionsAllowed, 0);
  EXPECT_EQ(status.disruptedPods.size(), 1u);
  EXPECT_EQ(plan().again_after, 1min);
  // Nobody has deleted it: it is healthy again, and somebody is told.
  const Plan late = plan(kNow + 1min);
  EXPECT_EQ(written(kNow + 1min).status.disruptionsAllowed, 1);
  ASSERT_EQ(late.events.size(), 1u);
  EXPECT_EQ(late.events[0].reason, "NotDeleted");
}

TEST_F(DisruptionTest, WhatIsRightIsNotWrittenAgain) {
  add_deployment("web", 3, 3);
  put(budgets_, budget(1, {}));
  put(budgets_, written());
  const Plan again = plan(kNow + 1h);
  EXPECT_TRUE(again.actions.empty());
  EXPECT_TRUE(again.events.empty());
}

TEST_F(DisruptionTest, AllowsNothingWhereNobodyKnowsTheScale) {
  put(budgets_, budget({}, 1));
  auto foreign = named<ReplicaSet>("foreign");
  add_pod("stray", &foreign, true);  // its owner is not there
  const Plan made = plan();
  EXPECT_EQ(written().status.disruptionsAllowed, 0);
  EXPECT_EQ(written().status.conditions.at(0).reason, "SyncFailed");
  EXPECT_THAT(made.events.at(0).message, HasSubstr("found no controllers for pod \"stray\""));
  // A number to keep available needs no owners.
  put(budgets_, budget(0, {}));
  EXPECT_EQ(written().status.disruptionsAllowed, 1);
}

TEST_F(DisruptionTest, TellsOfPodsWithoutAnOwner) {
  add_pod("lone", nullptr, true);
  put(budgets_, budget({}, 1));
  const Plan made = plan();
  ASSERT_EQ(made.events.size(), 1u);
  EXPECT_EQ(made.events[0].reason, "UnmanagedPods");
  EXPECT_EQ(written().status.expectedPods, 0);
}

TEST_F(DisruptionTest, ABudgetWithoutPodsAllowsNothing) {
  put(budgets_, budget(0, {}));
  EXPECT_EQ(plan().events.at(0).reason, "NoPods");
  EXPECT_EQ(written().status.disruptionsAllowed, 0);
}

}  // namespace
}  // namespace cloudless::controllers
