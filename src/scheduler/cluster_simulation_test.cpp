// All controllers and the scheduler against a simulated API with faults, and node agents that start and end
// pods. A seed gives the same run on every machine.
//
// CLOUDLESS_SEEDS: which seeds NoPodIsCreatedTwiceAndAllConvergesWhateverFails runs: "2000" for 1 to 2000,
// "17-17" for one. Their digests are printed then: machines that disagree on one differ in what they built.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>

#include "api/apps_v1.hpp"
#include "api/core_v1.hpp"
#include "api/discovery_v1.hpp"
#include "api/policy_v1.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "client/testing/fake_api.hpp"
#include "controllers/controller_manager.hpp"
#include "net/in_process.hpp"
#include "runtime/simulation.hpp"
#include "scheduler/scheduler.hpp"

namespace cloudless::scheduler {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
using api::apps::v1::Deployment;
using api::apps::v1::ReplicaSet;
using api::discovery::v1::EndpointSlice;

class Cluster {
 public:
  explicit Cluster(uint64_t seed)
      : simulation(seed),
        api(simulation, seed),
        transport(simulation, api.handler(), "system:masters", {}, Logger()),
        client(transport),
        random(seed),
        informers(client, simulation, random, Logger()),
        manager(manager_options(), client, informers, simulation, random, Logger()),
        scheduler({}, client, informers, simulation, random, Logger()) {}

  ~Cluster() {
    EXPECT_TRUE(simulation.run(scheduler.stop()).has_value());
    EXPECT_TRUE(simulation.run(manager.stop()).has_value());
    EXPECT_TRUE(simulation.run(informers.stop()).has_value());
    EXPECT_TRUE(simulation.run(transport.stop()).has_value());
  }

  void start() {
    EXPECT_TRUE(simulation.run(manager.start()).value());
    EXPECT_TRUE(simulation.run(scheduler.start()).value());
  }

  static controllers::ControllerManagerOptions manager_options() {
    controllers::ControllerManagerOptions options;
    options.node_ipam.cluster_cidrs = {net::Prefix::parse("10.244.0.0/16").value()};
    options.root_ca = "the CA";
    return options;
  }

  void add_node(const std::string& name) {
    api.put("nodes", {{"kind", "Node"},
                      {"apiVersion", "v1"},
                      {"metadata", {{"name", name}, {"labels", {{"kubernetes.io/hostname", name}}}}},
                      {"spec", json::object()},
                      {"status",
                       {{"allocatable", {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "110"}}},
                        {"conditions", json::array{{{"type", "Ready"}, {"status", "True"}}}}}}});
  }

  void put_deployment(const std::string& image, int replicas) {
    const json::object labels{{"app", "web"}};
    const json::object container{{"name", "web"}, {"image", image}};
    json::object object{
        {"kind", "Deployment"},
        {"apiVersion", "apps/v1"},
        {"metadata", {{"name", "web"}, {"namespace", "default"}, {"generation", ++generation_}}},
        {"spec",
         {{"replicas", replicas},
          {"selector", {{"matchLabels", labels}}},
          {"template",
           {{"metadata", {{"labels", labels}}},
            {"spec", {{"schedulerName", "default-scheduler"}, {"containers", json::array{container}}}}}}}}};
    if (const auto* existing = api.find("deployments.apps", "default/web")) {
      if (existing->contains("status")) object["status"] = existing->at("status");
      if (const auto* notes = existing->at("metadata").get_object().if_contains("annotations")) {
        object["metadata"].get_object()["annotations"] = *notes;
      }
    }
    api.put("deployments.apps", std::move(object));
  }

  /// What node agents do: bound pods start, deleted pods end; node leases are renewed.
  void run_nodes() {
    std::vector<json::object> pods;
    for (const json::object* pod : api.all("pods")) pods.push_back(*pod);
    for (json::object& pod : pods) {
      const json::object& metadata = pod["metadata"].get_object();
      const std::string key = "default/" + std::string(metadata.at("name").get_string());
      if (metadata.contains("deletionTimestamp")) {
        api.erase("pods", key);
        continue;
      }
      const bool bound = pod["spec"].get_object().contains("nodeName");
      if (!bound || (pod["status"].is_object() && pod["status"].get_object().contains("phase"))) continue;
      const std::string ip = fmt::format("10.244.0.{}", ++last_ip_);
      pod["status"] = {
          {"phase", "Running"},
          {"podIP", ip},
          {"podIPs", json::array{{{"ip", ip}}}},
          {"conditions",
           json::array{{{"type", "Ready"},
                        {"status", "True"},
                        {"lastTransitionTime", format_rfc3339(simulation.clock().wall_now())}}}}};
      api.put("pods", pod);
    }
    for (const json::object* node : api.all("nodes")) {
      const std::string name(node->at("metadata").at("name").get_string());
      if (silent.contains(name)) continue;
      api.put("leases.coordination.k8s.io",
              {{"kind", "Lease"},
               {"apiVersion", "coordination.k8s.io/v1"},
               {"metadata", {{"name", name}, {"namespace", "kube-node-lease"}}},
               {"spec", {{"renewTime", format_rfc3339_micro(simulation.clock().wall_now())}}}});
    }
  }

  void run_for(Duration span) {
    for (Duration passed{0}; passed < span; passed += 500ms) {
      simulation.run_for(500ms);
      run_nodes();
      most_pods = std::max(most_pods, api.all("pods").size());
    }
  }

  template <class T>
  std::vector<T> all(const std::string& collection) {
    std::vector<T> objects;
    for (const json::object* object : api.all(collection)) {
      objects.push_back(client::decode_object<T>(json::value(*object)).value());
    }
    return objects;
  }
  Deployment deployment() { return all<Deployment>("deployments.apps").at(0); }

  runtime::Simulation simulation;
  client::testing::FakeApi api;
  net::InProcessTransport transport;
  client::Client client;
  SeededRandom random;
  client::Informers informers;
  controllers::ControllerManager manager;
  Scheduler scheduler;
  size_t most_pods = 0;
  std::set<std::string> silent;  // nodes whose agents renew no lease

 private:
  int generation_ = 0;
  int last_ip_ = 0;
};

void expect_rolled_out(Cluster& cluster, const std::string& image, int replicas, uint64_t seed) {
  const Deployment deployment = cluster.deployment();
  EXPECT_EQ(deployment.status.availableReplicas, replicas) << "seed " << seed;
  EXPECT_EQ(deployment.status.updatedReplicas, replicas) << "seed " << seed;
  EXPECT_EQ(deployment.status.replicas, replicas) << "seed " << seed;
  const auto pods = cluster.all<Pod>("pods");
  EXPECT_EQ(pods.size(), static_cast<size_t>(replicas)) << "seed " << seed;
  for (const Pod& pod : pods) {
    EXPECT_EQ(pod.spec.containers.at(0).image, image) << "seed " << seed;
    EXPECT_FALSE(pod.spec.nodeName.empty());
  }
}

TEST(ClusterSimulation, ADeploymentRunsAndRollsOnWithoutAPodTooMany) {
  Cluster cluster(1);
  for (const char* name : {"a", "b", "c"}) cluster.add_node(name);
  cluster.start();
  cluster.put_deployment("web:1", 3);
  cluster.run_for(20s);
  expect_rolled_out(cluster, "web:1", 3, 1);
  EXPECT_EQ(cluster.api.created("pods"), 3);
  std::set<std::string> nodes;
  for (const Pod& pod : cluster.all<Pod>("pods")) nodes.insert(pod.spec.nodeName);
  EXPECT_EQ(nodes.size(), 3u) << "pods of one set spread";

  cluster.put_deployment("web:2", 3);
  cluster.run_for(60s);
  expect_rolled_out(cluster, "web:2", 3, 1);
  EXPECT_EQ(cluster.api.created("pods"), 6);
  EXPECT_LE(cluster.most_pods, 5u) << "maxSurge 25% of 3 is one more, and one on its way out";
  EXPECT_EQ(cluster.deployment().metadata.annotations.at("deployment.kubernetes.io/revision"), "2");

  // Back to the first template: its set comes back with the next revision.
  cluster.put_deployment("web:1", 3);
  cluster.run_for(60s);
  expect_rolled_out(cluster, "web:1", 3, 1);
  const auto sets = cluster.all<ReplicaSet>("replicasets.apps");
  EXPECT_EQ(sets.size(), 2u);
  EXPECT_EQ(cluster.deployment().metadata.annotations.at("deployment.kubernetes.io/revision"), "3");
}

// Two roll-outs while requests fail, answers and watches are lost, and history is compacted. Returns the
// digest of what happened.
std::string roll_out_among_faults(uint64_t seed) {
  Cluster cluster(seed);
  for (const char* name : {"a", "b", "c"}) cluster.add_node(name);
  cluster.start();
  cluster.api.set_faults({.refused = 0.1, .lost_answer = 0.1, .dropped_watch = 0.02});
  cluster.put_deployment("web:1", 5);
  cluster.run_for(60s);
  EXPECT_EQ(cluster.api.created("pods"), 5) << "seed " << seed;
  cluster.put_deployment("web:2", 5);
  for (int i = 0; i < 20; ++i) {
    cluster.run_for(5s);
    if (i % 7 == 3) cluster.api.compact();
    if (i % 5 == 2) cluster.api.drop_watches();
  }
  cluster.api.set_faults({});
  cluster.run_for(120s);
  expect_rolled_out(cluster, "web:2", 5, seed);
  EXPECT_EQ(cluster.api.created("pods"), 10) << "seed " << seed;
  return cluster.api.history();
}

struct Seeds {
  uint64_t first = 1;
  uint64_t last = 6;
};

Seeds seeds_to_run() {
  Seeds seeds;
  const char* asked = std::getenv("CLOUDLESS_SEEDS");
  if (!asked) return seeds;
  const auto parts = split(asked, '-');
  const std::string_view first = parts.size() == 2 ? parts.front() : "1", last = parts.back();
  const auto read = [](std::string_view text, uint64_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
  };
  EXPECT_TRUE(read(first, seeds.first) && read(last, seeds.last)) << "CLOUDLESS_SEEDS: " << asked;
  return seeds;
}

TEST(ClusterSimulation, NoPodIsCreatedTwiceAndAllConvergesWhateverFails) {
  const Seeds seeds = seeds_to_run();
  for (uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    const std::string history = roll_out_among_faults(seed);
    if (std::getenv("CLOUDLESS_SEEDS")) fmt::print("seed {}: {}\n", seed, hex_encode(history));
  }
}

// Leaves the heap in holes, so that what is allocated from here on lies in another order than before.
std::vector<std::unique_ptr<char[]>> scattered_heap() {
  constexpr size_t kLargest = 2048;
  constexpr int kHolesOfEach = 64;
  std::vector<std::unique_ptr<char[]>> kept, holes;
  SeededRandom random(1);
  for (size_t size = 16; size <= kLargest; size += 16) {
    for (int i = 0; i < kHolesOfEach; ++i) {
      (random.below(2) == 0 ? kept : holes).push_back(std::make_unique<char[]>(size));
    }
  }
  for (size_t i = holes.size(); i > 1; --i) std::swap(holes[i - 1], holes[random.below(i)]);
  return kept;
}

TEST(ClusterSimulation, ASeedReplaysWhereverItsObjectsLieInMemory) {
  const std::string first = roll_out_among_faults(7);
  const auto kept = scattered_heap();
  EXPECT_EQ(roll_out_among_faults(7), first);
}

TEST(ClusterSimulation, AServiceHasItsReadyPodsAsEndpoints) {
  Cluster cluster(3);
  cluster.add_node("a");
  cluster.start();
  cluster.api.put("services",
                  {{"kind", "Service"},
                   {"apiVersion", "v1"},
                   {"metadata", {{"name", "web"}, {"namespace", "default"}}},
                   {"spec",
                    {{"selector", {{"app", "web"}}},
                     {"ports", json::array{{{"port", 80}, {"targetPort", 8080}, {"protocol", "TCP"}}}}}}});
  cluster.put_deployment("web:1", 4);
  cluster.run_for(30s);
  const auto slices = cluster.all<EndpointSlice>("endpointslices.discovery.k8s.io");
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_EQ(slices[0].endpoints.size(), 4u);
  EXPECT_EQ(slices[0].ports.at(0).port, 8080);
  EXPECT_EQ(cluster.all<api::core::v1::Endpoints>("endpoints").at(0).subsets.at(0).addresses.size(), 4u);
  cluster.put_deployment("web:1", 0);
  cluster.run_for(30s);
  EXPECT_TRUE(cluster.all<EndpointSlice>("endpointslices.discovery.k8s.io").at(0).endpoints.empty());
}

TEST(ClusterSimulation, DeletingADeploymentInTheBackgroundCollectsItsSetsAndPods) {
  Cluster cluster(4);
  cluster.add_node("a");
  cluster.start();
  cluster.put_deployment("web:1", 3);
  cluster.run_for(20s);
  ASSERT_EQ(cluster.api.all("pods").size(), 3u);
  EXPECT_TRUE(cluster.api.erase("deployments.apps", "default/web"));
  cluster.run_for(30s);
  EXPECT_TRUE(cluster.api.all("replicasets.apps").empty());
  EXPECT_TRUE(cluster.api.all("pods").empty());
}

TEST(ClusterSimulation, ADeletedNamespaceTakesAllThatIsInIt) {
  Cluster cluster(5);
  cluster.add_node("a");
  cluster.start();
  cluster.api.put("namespaces", {{"kind", "Namespace"},
                                 {"apiVersion", "v1"},
                                 {"metadata", {{"name", "default"}}},
                                 {"spec", {{"finalizers", json::array{"kubernetes"}}}}});
  cluster.put_deployment("web:1", 2);
  cluster.run_for(20s);
  ASSERT_NE(cluster.api.find("serviceaccounts", "default/default"), nullptr);
  ASSERT_NE(cluster.api.find("configmaps", "default/kube-root-ca.crt"), nullptr);
  ASSERT_EQ(cluster.api.all("pods").size(), 2u);
  EXPECT_TRUE(cluster.simulation.run(cluster.client.remove<api::core::v1::Namespace>("", "default")).value());
  cluster.run_for(60s);
  EXPECT_EQ(cluster.api.find("namespaces", "default"), nullptr);
  for (const char* collection :
       {"deployments.apps", "replicasets.apps", "pods", "serviceaccounts", "configmaps"}) {
    EXPECT_TRUE(cluster.api.all(collection).empty()) << collection;
  }
}

TEST(ClusterSimulation, ANodeThatAnotherReportsDeadIsUnknownWithinASecond) {
  Cluster cluster(8);
  for (const char* name : {"a", "b", "c"}) cluster.add_node(name);
  cluster.start();
  cluster.run_for(5s);
  cluster.silent = {"b"};
  json::object reporter = *cluster.api.find("nodes", "a");
  reporter["metadata"].get_object()["annotations"] = {{"cloudless/dead-nodes", "b"}};
  cluster.api.put("nodes", reporter);
  cluster.run_for(1s);
  for (const Node& node : cluster.all<Node>("nodes")) {
    const bool dead = node.metadata.name == "b";
    EXPECT_EQ(node.status.conditions.at(0).status, dead ? "Unknown" : "True") << node.metadata.name;
    EXPECT_EQ(node.spec.taints.empty(), !dead) << node.metadata.name;
  }
}

TEST(ClusterSimulation, ABudgetFollowsItsPods) {
  Cluster cluster(9);
  for (const char* name : {"a", "b"}) cluster.add_node(name);
  cluster.start();
  cluster.api.put("poddisruptionbudgets.policy",
                  {{"kind", "PodDisruptionBudget"},
                   {"apiVersion", "policy/v1"},
                   {"metadata", {{"name", "web"}, {"namespace", "default"}, {"generation", 1}}},
                   {"spec", {{"maxUnavailable", "34%"}, {"selector", {{"matchLabels", {{"app", "web"}}}}}}}});
  cluster.put_deployment("web:1", 3);
  cluster.api.set_faults({.refused = 0.1, .lost_answer = 0.1});
  const auto status = [&cluster] {
    return cluster.all<api::policy::v1::PodDisruptionBudget>("poddisruptionbudgets.policy").at(0).status;
  };
  cluster.run_for(60s);
  EXPECT_EQ(status().expectedPods, 3);
  EXPECT_EQ(status().currentHealthy, 3);
  EXPECT_EQ(status().disruptionsAllowed, 2);
  cluster.put_deployment("web:1", 1);
  cluster.run_for(60s);
  EXPECT_EQ(status().expectedPods, 1);
  EXPECT_EQ(status().disruptionsAllowed, 1);
}

TEST(ClusterSimulation, EveryNodeGetsItsOwnPartOfThePodNetwork) {
  Cluster cluster(6);
  cluster.start();
  for (int i = 0; i < 20; ++i) cluster.add_node("node-" + std::to_string(i));
  cluster.run_for(10s);
  std::set<std::string> cidrs;
  for (const Node& node : cluster.all<Node>("nodes")) cidrs.insert(node.spec.podCIDR);
  EXPECT_EQ(cidrs.size(), 20u);
  EXPECT_TRUE(cidrs.contains("10.244.0.0/24"));
  EXPECT_TRUE(cidrs.contains("10.244.19.0/24"));
}

}  // namespace
}  // namespace cloudless::scheduler
