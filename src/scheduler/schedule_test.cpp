#include "scheduler/schedule.hpp"

#include <gtest/gtest.h>

#include "scheduler/queue.hpp"

namespace cloudless::scheduler {
namespace {

using namespace std::chrono_literals;

struct ScheduleTest : ::testing::Test {
  Node& add_node(const std::string& name, const std::string& cpu = "4") {
    auto node = std::make_shared<Node>();
    node->metadata.name = name;
    node->metadata.labels = {{"kubernetes.io/hostname", name}};
    node->status.allocatable = {{"cpu", cpu}, {"memory", "8Gi"}, {"pods", "10"}};
    nodes.push_back(node);
    return *node;
  }
  Pod pod(const std::string& name, const std::string& cpu = {}) {
    Pod made;
    made.metadata.name = name;
    made.metadata.namespace_ = "default";
    made.metadata.uid = name;
    auto& container = made.spec.containers.emplace_back();
    if (!cpu.empty()) container.resources.requests["cpu"] = cpu;
    return made;
  }
  void run_on(Pod made, const std::string& node) {
    made.spec.nodeName = node;
    running.push_back(std::make_shared<const Pod>(std::move(made)));
  }
  Snapshot snapshot() {
    Snapshot made;
    for (const auto& node : nodes) made.put_node(node);
    for (const PodPtr& each : running) made.put_pod(each);
    return made;
  }
  Decision place(const Pod& placing) { return schedule(snapshot(), placing, {}, random); }
  std::string refusal(const Pod& placing) { return place(placing).diagnosis.message(); }

  std::vector<std::shared_ptr<Node>> nodes;
  std::vector<PodPtr> running;
  SeededRandom random{1};
};

TEST_F(ScheduleTest, SaysWhyNoNodeFitsInTheWordsThatPeopleKnow) {
  EXPECT_EQ(refusal(pod("p")), "no nodes available to schedule pods");
  add_node("a", "1");
  for (const char* name : {"b", "c"})
    add_node(name).spec.taints.push_back({.key = "k", .effect = "NoSchedule"});
  EXPECT_EQ(refusal(pod("p", "2")),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).");
}

TEST_F(ScheduleTest, CountsWhatRunsAgainstWhatANodeHas) {
  add_node("a");
  run_on(pod("big", "3"), "a");
  EXPECT_EQ(place(pod("small", "1")).node, "a");
  EXPECT_EQ(refusal(pod("large", "1500m")), "0/1 nodes are available: 1 Insufficient cpu.");
}

TEST_F(ScheduleTest, InitContainersCountByTheirPeakAndSidecarsThroughout) {
  Pod with_init = pod("p", "1");
  auto& init = with_init.spec.initContainers.emplace_back();
  init.resources.requests["cpu"] = "3";
  EXPECT_EQ(requests_of(with_init).milli_cpu, 3000);
  auto& sidecar = with_init.spec.initContainers.emplace_back();
  sidecar.restartPolicy = "Always";
  sidecar.resources.requests["cpu"] = "500m";
  EXPECT_EQ(requests_of(with_init).milli_cpu, 3000);
  std::swap(with_init.spec.initContainers[0], with_init.spec.initContainers[1]);
  EXPECT_EQ(requests_of(with_init).milli_cpu, 3500);
}

TEST_F(ScheduleTest, HonoursSelectorsCordonsAndHostPorts) {
  add_node("a");
  Pod picky = pod("p");
  picky.spec.nodeSelector = {{"disk", "ssd"}};
  EXPECT_EQ(refusal(picky), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.");
  nodes[0]->spec.unschedulable = true;
  EXPECT_EQ(refusal(pod("p")), "0/1 nodes are available: 1 node(s) were unschedulable.");
  nodes[0]->spec.unschedulable = false;
  Pod web = pod("web");
  web.spec.containers[0].ports.push_back({.hostPort = 80, .containerPort = 80, .protocol = "TCP"});
  EXPECT_EQ(place(web).node, "a");
  run_on(web, "a");
  web.metadata.uid = "other";
  EXPECT_EQ(refusal(web),
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.");
}

TEST_F(ScheduleTest, AntiAffinityKeepsPodsApartAndAffinityTogether) {
  add_node("a");
  add_node("b");
  Pod web = pod("one");
  web.metadata.labels = {{"app", "web"}};
  auto& term = web.spec.affinity.emplace()
                   .podAntiAffinity.emplace()
                   .requiredDuringSchedulingIgnoredDuringExecution.emplace_back();
  term.topologyKey = "kubernetes.io/hostname";
  term.labelSelector.emplace().matchLabels = {{"app", "web"}};
  run_on(web, "a");
  Pod second = web;
  second.metadata.uid = "two";
  EXPECT_EQ(place(second).node, "b");
  run_on(second, "b");
  Pod third = web;
  third.metadata.uid = "three";
  EXPECT_EQ(refusal(third), "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.");
  Pod friendly = pod("friend");
  auto& near = friendly.spec.affinity.emplace()
                   .podAffinity.emplace()
                   .requiredDuringSchedulingIgnoredDuringExecution.emplace_back();
  near.topologyKey = "kubernetes.io/hostname";
  near.labelSelector.emplace().matchLabels = {{"app", "none"}};
  EXPECT_EQ(refusal(friendly), "0/2 nodes are available: 2 node(s) didn't match pod affinity rules.");
  friendly.metadata.labels = {{"app", "none"}};
  EXPECT_FALSE(place(friendly).node.empty()) << "the first of a group may go anywhere";
}

TEST_F(ScheduleTest, SpreadConstraintsBoundTheSkew) {
  add_node("a");
  add_node("b");
  Pod web = pod("one");
  web.metadata.labels = {{"app", "web"}};
  auto& constraint = web.spec.topologySpreadConstraints.emplace_back();
  constraint.maxSkew = 1;
  constraint.topologyKey = "kubernetes.io/hostname";
  constraint.whenUnsatisfiable = "DoNotSchedule";
  constraint.labelSelector.emplace().matchLabels = {{"app", "web"}};
  for (int i = 0; i < 6; ++i) {
    web.metadata.uid = std::to_string(i);
    const std::string node = place(web).node;
    ASSERT_FALSE(node.empty());
    run_on(web, node);
  }
  EXPECT_EQ(snapshot().find("a")->pods.size(), 3u);
}

TEST_F(ScheduleTest, PrefersTheEmptierNodeAndAvoidsPreferNoSchedule) {
  add_node("a");
  add_node("b");
  run_on(pod("big", "3"), "a");
  EXPECT_EQ(place(pod("p", "500m")).node, "b");
  nodes[1]->spec.taints.push_back({.key = "k", .effect = "PreferNoSchedule"});
  EXPECT_EQ(place(pod("p", "500m")).node, "a");
}

TEST_F(ScheduleTest, PreemptsTheLeastImportantAndOnlyAsManyAsItTakes) {
  add_node("a");
  for (int i = 0; i < 4; ++i) {
    Pod low = pod("low-" + std::to_string(i), "1");
    low.spec.priority = i;
    run_on(low, "a");
  }
  Pod high = pod("high", "2");
  high.spec.priority = 100;
  const Snapshot now = snapshot();
  const Decision decision = schedule(now, high, {}, random);
  ASSERT_TRUE(decision.node.empty());
  const Preemption preemption = preempt(now, high, {}, decision.diagnosis);
  EXPECT_EQ(preemption.node, "a");
  std::set<std::string> victims;
  for (const PodPtr& victim : preemption.victims) victims.insert(victim->metadata.name);
  EXPECT_EQ(victims, (std::set<std::string>{"low-0", "low-1"}));
  high.spec.priority = 0;
  EXPECT_EQ(preempt(now, high, {}, decision.diagnosis).message,
            "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.");
}

TEST(SchedulingQueue, ImportantPodsComeFirstAndFailedOnesWaitForAnEventAndTheirBackoff) {
  SchedulingQueue queue;
  SteadyTime now{100s};
  queue.put("a", 0, now);
  queue.put("b", 5, now);
  EXPECT_EQ(queue.pop(now), "b");
  EXPECT_EQ(queue.pop(now), "a");
  queue.failed("a", now);
  queue.remove("b");
  EXPECT_EQ(queue.pop(now + 60s), std::nullopt);
  queue.wake();
  EXPECT_EQ(queue.pop(now + 500ms), std::nullopt);
  EXPECT_EQ(queue.pop(now + 1s), "a");
  queue.failed("a", now + 1s);
  EXPECT_EQ(queue.next_time(), now + 1s + SchedulingQueue::kFlushAfter);
}

TEST(SchedulingQueue, AnEventDuringTheTrialCounts) {
  SchedulingQueue queue;
  const SteadyTime now{100s};
  queue.put("a", 0, now);
  EXPECT_EQ(queue.pop(now), "a");
  queue.wake();
  queue.failed("a", now);
  EXPECT_EQ(queue.pop(now + 1s), "a");
}

}  // namespace
}  // namespace cloudless::scheduler
