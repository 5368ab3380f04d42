// Tables of plans: caches in, actions out.
#include <gtest/gtest.h>

#include "client/informer.hpp"
#include "controllers/certificates.hpp"
#include "controllers/daemon_set.hpp"
#include "controllers/deployment/rollout.hpp"
#include "controllers/endpoint_slice.hpp"
#include "controllers/garbage_collector.hpp"
#include "controllers/job.hpp"
#include "controllers/node_ipam.hpp"
#include "controllers/replica_set.hpp"
#include "controllers/taint_eviction.hpp"
#include "pki/key.hpp"

namespace cloudless::controllers {
namespace {

using namespace std::chrono_literals;
using api::apps::v1::DaemonSet;
using api::apps::v1::Deployment;
using api::apps::v1::ReplicaSet;
using api::batch::v1::Job;
using client::Action;
using client::ObjectCache;
using client::Verb;

constexpr WallTime kNow{1'790'000'000s};

template <class T>
std::shared_ptr<const T> put(ObjectCache<T>& cache, T object) {
  auto shared = std::make_shared<const T>(std::move(object));
  cache.put(client::key_of(*shared), shared);
  return shared;
}

template <class T>
T named(const std::string& name, const std::string& ns = "default") {
  T object;
  object.metadata.name = name;
  object.metadata.namespace_ = ns;
  object.metadata.uid = "uid-" + name;
  object.metadata.resourceVersion = "1";
  object.metadata.creationTimestamp = kNow;
  return object;
}

template <class Owner>
Pod pod_of(const Owner& owner, const std::string& name, const std::string& phase = "Running") {
  Pod pod = named<Pod>(name);
  pod.metadata.labels = {{"app", "web"}};
  pod.metadata.ownerReferences = {controller_reference(owner)};
  pod.status.phase = phase;
  if (phase == "Running") {
    auto& ready = pod.status.conditions.emplace_back();
    ready.type = "Ready";
    ready.status = "True";
    ready.lastTransitionTime = kNow - 1h;
  }
  return pod;
}

int count(const Plan& plan, Verb verb, const std::string& kind) {
  return static_cast<int>(std::ranges::count_if(plan.actions, [&](const Action& action) {
    return action.verb == verb && action.resource.kind == kind && action.subresource.empty();
  }));
}

template <class T>
const Action* status_update(const Plan& plan) {
  for (const Action& action : plan.actions) {
    if (action.subresource == "status" && action.resource.kind == client::resource_of<T>().kind)
      return &action;
  }
  return nullptr;
}

struct PodCaches {
  PodCaches() {
    add_owner_index<Pod>(pods);
    add_node_index(pods);
  }
  ObjectCache<Pod> pods;
  Departures departures;
};

struct ReplicaSetPlan : ::testing::Test, PodCaches {
  ReplicaSet make(int32_t replicas) {
    ReplicaSet set = named<ReplicaSet>("web");
    set.spec.replicas = replicas;
    set.spec.selector.emplace().matchLabels = {{"app", "web"}};
    set.spec.template_.metadata.labels = {{"app", "web"}};
    put(sets, set);
    return set;
  }
  Plan plan(const std::string& last_failure = {}) {
    return plan_replica_set({sets, pods, departures}, "default/web",
                            {.now = kNow, .last_failure = last_failure});
  }
  ObjectCache<ReplicaSet> sets;
};

TEST_F(ReplicaSetPlan, CreatesWhatIsMissingUnderNamesThatStayUntilSomethingGoes) {
  make(3);
  const Plan first = plan();
  const Plan again = plan();
  ASSERT_EQ(count(first, Verb::kCreate, "Pod"), 3);
  EXPECT_EQ(first.actions[0].name, again.actions[0].name);
  EXPECT_TRUE(first.actions[0].name.starts_with("web-"));
  const auto gone = std::make_shared<const Pod>(pod_of(*sets.get("default/web"), "web-old"));
  departures.note(gone, nullptr);
  EXPECT_NE(plan().actions[0].name, first.actions[0].name);
}

TEST_F(ReplicaSetPlan, DeletesTheLeastUsefulPodsFirst) {
  const ReplicaSet set = make(1);
  Pod ready = pod_of(set, "ready");
  ready.spec.nodeName = "a";
  Pod pending = pod_of(set, "pending", "Pending");
  pending.spec.nodeName = "a";
  put(pods, ready);
  put(pods, pending);
  put(pods, pod_of(set, "unassigned", "Pending"));
  const Plan planned = plan();
  ASSERT_EQ(count(planned, Verb::kDelete, "Pod"), 2);
  EXPECT_EQ(planned.actions[0].name, "unassigned");
  EXPECT_EQ(planned.actions[1].name, "pending");
}

TEST_F(ReplicaSetPlan, AdoptsOrphansBeforeItCreatesAndReleasesWhatNoLongerMatches) {
  const ReplicaSet set = make(1);
  Pod orphan = pod_of(set, "orphan");
  orphan.metadata.ownerReferences.clear();
  put(pods, orphan);
  Pod stray = pod_of(set, "stray");
  stray.metadata.labels = {{"app", "other"}};
  put(pods, stray);
  const Plan planned = plan();
  EXPECT_EQ(count(planned, Verb::kPatch, "Pod"), 2);
  EXPECT_EQ(count(planned, Verb::kCreate, "Pod"), 0);
}

TEST_F(ReplicaSetPlan, TellsAFailureInItsStatusBeforeItTriesAgain) {
  make(1);
  const Plan planned = plan("pods is forbidden: exceeded quota");
  ASSERT_FALSE(planned.actions.empty());
  EXPECT_EQ(planned.actions[0].subresource, "status");
  EXPECT_NE(planned.actions[0].body.find("exceeded quota"), std::string::npos);
}

TEST(RolloutLimits, RoundSurgeUpAndUnavailableDownAndAreNeverBothZero) {
  Deployment deployment;
  const auto limits = [&](int32_t replicas, schema::IntOrString surge, schema::IntOrString unavailable) {
    deployment.spec.replicas = replicas;
    auto& rolling = deployment.spec.strategy.rollingUpdate.emplace();
    rolling.maxSurge = surge;
    rolling.maxUnavailable = unavailable;
    const auto found = rollout::limits_of(deployment);
    return std::pair(found.surge, found.unavailable);
  };
  EXPECT_EQ(limits(10, "25%", "25%"), std::pair(3, 2));
  EXPECT_EQ(limits(1, "25%", "25%"), std::pair(1, 0));
  EXPECT_EQ(limits(3, 0, 0), std::pair(0, 1));
  EXPECT_EQ(limits(3, 0, "25%"), std::pair(0, 1));
}

struct JobPlan : ::testing::Test, PodCaches {
  Job make(int32_t completions, int32_t parallelism) {
    Job job = named<Job>("work");
    job.spec.completions = completions;
    job.spec.parallelism = parallelism;
    job.spec.backoffLimit = 2;
    return job;
  }
  /// Runs the plan and takes over the status that it writes.
  Plan step(Job& job) {
    put(jobs, job);
    Plan plan = plan_job({jobs, pods, departures}, "default/work", {.now = now});
    if (const Action* action = status_update<Job>(plan)) {
      job = client::decode_object<Job>(std::string_view(action->body)).value();
    }
    return plan;
  }
  void add(const Job& job, const std::string& name, const std::string& phase) {
    Pod pod = pod_of(job, name, phase);
    pod.metadata.finalizers = {kJobTracking};
    put(pods, pod);
  }
  void untrack(const std::string& name) {
    Pod pod = *pods.get("default/" + name);
    pod.metadata.finalizers.clear();
    put(pods, pod);
  }
  ObjectCache<Job> jobs;
  WallTime now = kNow;
};

TEST_F(JobPlan, RunsAsManyAtOnceAsItMayAndNoMoreThanItNeeds) {
  Job job = make(3, 2);
  EXPECT_EQ(count(step(job), Verb::kCreate, "Pod"), 2);
  job.status.succeeded = 2;
  EXPECT_EQ(count(step(job), Verb::kCreate, "Pod"), 1);
}

TEST_F(JobPlan, CountsAPodOnceOnItsWayThroughTheFinalizerAndCompletes) {
  Job job = make(1, 1);
  add(job, "a", "Succeeded");
  Plan plan = step(job);
  EXPECT_EQ(job.status.uncountedTerminatedPods->succeeded, std::vector<std::string>{"uid-a"});
  EXPECT_EQ(count(plan, Verb::kPatch, "Pod"), 0) << "not before the uid is on record";
  plan = step(job);
  EXPECT_EQ(count(plan, Verb::kPatch, "Pod"), 1);
  EXPECT_FALSE(is_job_finished(job));
  untrack("a");
  plan = step(job);
  EXPECT_EQ(job.status.succeeded, 1);
  EXPECT_TRUE(is_job_finished(job));
  EXPECT_TRUE(job.status.completionTime.has_value());
  pods.erase("default/a");
  step(job);
  EXPECT_EQ(job.status.succeeded, 1);
}

TEST_F(JobPlan, BacksOffAfterFailuresAndGivesUpBeyondItsLimit) {
  Job job = make(1, 1);
  add(job, "a", "Failed");
  Plan plan = step(job);
  EXPECT_EQ(count(plan, Verb::kCreate, "Pod"), 0);
  EXPECT_TRUE(plan.again_after.has_value());
  now = kNow + 11s;
  EXPECT_EQ(count(step(job), Verb::kCreate, "Pod"), 1);
  job.status.failed = 3;
  step(job);
  const auto& conditions = job.status.conditions;
  const auto target =
      std::ranges::find(conditions, std::string("FailureTarget"), [](const auto& each) { return each.type; });
  ASSERT_NE(target, conditions.end());
  EXPECT_EQ(target->reason, "BackoffLimitExceeded");
}

TEST(JobIndexes, AreWrittenAsRanges) {
  EXPECT_EQ(format_indexes({0, 1, 2, 5, 7, 8}), "0-2,5,7,8");
  EXPECT_EQ(parse_indexes("0-2,5"), (std::set<int32_t>{0, 1, 2, 5}));
  EXPECT_TRUE(parse_indexes("").empty());
}

struct DaemonSetPlan : ::testing::Test, PodCaches {
  DaemonSetPlan() {
    set.spec.selector.emplace().matchLabels = {{"app", "web"}};
    set.spec.template_.metadata.labels = {{"app", "web"}};
  }
  void add_node(const std::string& name, const std::string& taint = {}) {
    Node node = named<Node>(name, "");
    if (!taint.empty()) node.spec.taints.push_back({.key = taint, .effect = "NoSchedule"});
    put(nodes, node);
  }
  Plan plan() {
    put(sets, set);
    return plan_daemon_set({sets, nodes, pods, departures}, "default/agent", {.now = kNow});
  }
  DaemonSet set = named<DaemonSet>("agent");
  ObjectCache<DaemonSet> sets;
  ObjectCache<Node> nodes;
};

TEST_F(DaemonSetPlan, RunsOnEveryNodeThatItToleratesCordonedOnesToo) {
  add_node("a");
  add_node("cordoned", "node.kubernetes.io/unschedulable");
  add_node("special", "example.com/special");
  const Plan planned = plan();
  ASSERT_EQ(count(planned, Verb::kCreate, "Pod"), 2);
  EXPECT_NE(planned.actions[0].body.find(
                R"("matchFields":[{"key":"metadata.name","operator":"In","values":["a"]}])"),
            std::string::npos);
  const Action* status = status_update<DaemonSet>(planned);
  ASSERT_NE(status, nullptr);
  EXPECT_EQ(
      client::decode_object<DaemonSet>(std::string_view(status->body)).value().status.desiredNumberScheduled,
      2);
}

TEST_F(DaemonSetPlan, ReplacesPodsOfAnOlderTemplateOneByOne) {
  for (const char* name : {"a", "b"}) {
    add_node(name);
    Pod pod = pod_of(set, std::string("agent-") + name);
    pod.spec.nodeName = name;
    pod.metadata.labels["controller-revision-hash"] = "older";
    put(pods, pod);
  }
  EXPECT_EQ(count(plan(), Verb::kDelete, "Pod"), 1);
}

TEST(OwnerGraph, WhatHasLostAllOwnersGoesAndWhatHasOneLeftForgetsTheOther) {
  OwnerGraph graph;
  auto object = std::make_shared<GraphObject>();
  object->metadata = {.namespace_ = "default", .name = "pod", .uid = "uid-pod", .resourceVersion = "7"};
  for (const char* uid : {"one", "two"}) {
    object->metadata.ownerReferences.push_back(
        {.apiVersion = "v1", .kind = "Owner", .name = uid, .uid = uid});
  }
  graph.put(client::resource_of<Pod>(), object);
  const GraphNode& node = *graph.find("uid-pod");
  const auto plan = [&](OwnerState first, OwnerState second) {
    return plan_collection(graph, node, {first, second});
  };
  Plan gone = plan(OwnerState::kAbsent, OwnerState::kAbsent);
  ASSERT_EQ(gone.actions.size(), 1u);
  EXPECT_EQ(gone.actions[0].verb, Verb::kDelete);
  EXPECT_EQ(gone.actions[0].delete_options.resource_version, "7");
  Plan kept = plan(OwnerState::kSolid, OwnerState::kAbsent);
  ASSERT_EQ(kept.actions.size(), 1u);
  EXPECT_EQ(kept.actions[0].verb, Verb::kPatch);
  EXPECT_EQ(kept.actions[0].body.find("two"), std::string::npos);
  EXPECT_TRUE(plan(OwnerState::kSolid, OwnerState::kSolid).actions.empty());
  EXPECT_TRUE(plan(OwnerState::kAbsent, OwnerState::kUnknown).actions.empty());
  EXPECT_EQ(graph.dependents("one").size(), 1u);
  graph.erase("uid-pod");
  EXPECT_TRUE(graph.dependents("one").empty());
}

TEST(NodeIpam, SubnetsFollowEachOtherInBothFamilies) {
  const auto subnet = [](const char* cluster, int mask, uint32_t index) {
    return nth_subnet(net::Prefix::parse(cluster).value(), mask, index).to_string();
  };
  EXPECT_EQ(subnet("10.244.0.0/16", 24, 0), "10.244.0.0/24");
  EXPECT_EQ(subnet("10.244.0.0/16", 24, 255), "10.244.255.0/24");
  EXPECT_EQ(subnet("10.0.0.0/8", 26, 5), "10.0.1.64/26");
  EXPECT_EQ(subnet("fd00::/48", 64, 258), "fd00:0:0:102::/64");
}

TEST(TaintEviction, WaitsAsLongAsTheShortestToleration) {
  Node node = named<Node>("a", "");
  node.spec.taints.push_back(
      {.key = "node.kubernetes.io/unreachable", .effect = "NoExecute", .timeAdded = kNow});
  Pod pod = named<Pod>("p");
  EXPECT_EQ(time_left(pod, node, kNow), Duration(0));
  auto& toleration = pod.spec.tolerations.emplace_back();
  toleration.key = "node.kubernetes.io/unreachable";
  toleration.operator_ = "Exists";
  EXPECT_EQ(time_left(pod, node, kNow), std::nullopt);
  toleration.tolerationSeconds = 300;
  EXPECT_EQ(time_left(pod, node, kNow + 100s), 200s);
}

TEST(NodeHeartbeats, SilenceEndsTheGraceAndAHintEndsItAtOnceUnlessTheNodeSpeaksAgain) {
  NodeHeartbeats heartbeats;
  Node node = named<Node>("a", "");
  auto& ready = node.status.conditions.emplace_back();
  ready.type = "Ready";
  ready.lastHeartbeatTime = kNow;
  heartbeats.hear(node, nullptr, kNow);
  heartbeats.hear(node, nullptr, kNow + 30s);
  EXPECT_EQ(heartbeats.until_silent("a", kNow + 30s), kGracePeriod - 30s);
  heartbeats.set_dead({"a"}, kNow + 31s);
  EXPECT_LE(heartbeats.until_silent("a", kNow + 31s), Duration(0));
  node.status.conditions[0].lastHeartbeatTime = kNow + 40s;
  heartbeats.hear(node, nullptr, kNow + 40s);
  EXPECT_EQ(heartbeats.until_silent("a", kNow + 40s), kGracePeriod);
}

TEST(CertificateRequests, OnlyWhatANodeMayHaveIsSignedAndRecognized) {
  const auto key = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value();
  const pki::Subject subject{.common_name = "system:node:a", .organizations = {"system:nodes"}};
  const auto parsed = pki::CertificateRequest::make(key, subject, {}).value();
  CertificateSigningRequest request = named<CertificateSigningRequest>("csr", "");
  request.spec.request = parsed.to_pem();
  request.spec.signerName = kNodeClientSigner;
  request.spec.usages = {"digital signature", "client auth"};
  request.spec.username = "system:bootstrap:abcdef";
  EXPECT_EQ(classify(request, parsed, {}), NodeRequest::kBootstrap);
  request.spec.username = "system:node:a";
  EXPECT_EQ(classify(request, parsed, {}), NodeRequest::kRenewal);
  const pki::Ca ca = pki::make_ca(pki::KeyType::kEcdsaP256, "kubernetes", kNow, 24h * 365).value();
  Plan plan = plan_signing(request, ca, 24h, {.now = kNow});
  const auto issued =
      client::decode_object<CertificateSigningRequest>(std::string_view(plan.actions.at(0).body)).value();
  EXPECT_TRUE(issued.status.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
  request.spec.usages.push_back("server auth");
  EXPECT_EQ(classify(request, parsed, {}), NodeRequest::kNone);
  plan = plan_signing(request, ca, 24h, {.now = kNow});
  EXPECT_NE(plan.actions.at(0).body.find("\"Failed\""), std::string::npos);
  const auto serving = pki::CertificateRequest::make(key, subject, {.ips = {"192.0.2.1"}}).value();
  request.spec.signerName = kNodeServingSigner;
  request.spec.usages = {"digital signature", "server auth"};
  request.spec.groups = {"system:nodes"};
  EXPECT_EQ(classify(request, serving, {"192.0.2.1"}), NodeRequest::kServing);
  EXPECT_EQ(classify(request, serving, {"192.0.2.2"}), NodeRequest::kNone);
}

TEST(EndpointSlicePlan, FillsSlicesUpToTheirLimitAndLeavesStayingEndpointsWhereTheyAre) {
  PodCaches caches;
  ObjectCache<Service> services;
  ObjectCache<Node> nodes;
  ObjectCache<api::discovery::v1::EndpointSlice> slices;
  add_service_index(slices);
  Service service = named<Service>("web");
  service.spec.selector = {{"app", "web"}};
  service.spec.ports.push_back({.protocol = "TCP", .port = 80, .targetPort = 8080});
  put(services, service);
  for (int i = 0; i < 150; ++i) {
    Pod pod = pod_of(service, fmt::format("p{:03}", i));
    pod.spec.nodeName = "a";
    pod.status.podIP = fmt::format("10.0.0.{}", i);
    put(caches.pods, pod);
  }
  const EndpointSliceView view{services, caches.pods, nodes, slices};
  Plan plan = plan_endpoint_slices(view, "default/web", {.now = kNow});
  ASSERT_EQ(count(plan, Verb::kCreate, "EndpointSlice"), 2);
  for (const Action& action : plan.actions) {
    auto slice =
        client::decode_object<api::discovery::v1::EndpointSlice>(std::string_view(action.body)).value();
    EXPECT_LE(slice.endpoints.size(), kMaxEndpointsPerSlice);
    slice.metadata.uid = "uid-" + slice.metadata.name;
    put(slices, slice);
  }
  EXPECT_TRUE(plan_endpoint_slices(view, "default/web", {.now = kNow}).actions.empty());
  caches.pods.erase("default/p000");
  plan = plan_endpoint_slices(view, "default/web", {.now = kNow});
  EXPECT_EQ(plan.actions.size(), 1u) << "one endpoint gone changes one slice";
}

}  // namespace
}  // namespace cloudless::controllers
