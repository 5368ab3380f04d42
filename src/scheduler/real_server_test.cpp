// Controllers and scheduler against the real API server, in process.
#include <gtest/gtest.h>

#include "api/apps_v1.hpp"
#include "api/core_v1.hpp"
#include "apiserver/testing/test_server.hpp"
#include "controllers/controller_manager.hpp"
#include "runtime/timer.hpp"
#include "scheduler/scheduler.hpp"

namespace cloudless::scheduler {
namespace {

using namespace std::chrono_literals;
using api::apps::v1::Deployment;
using api::core::v1::Namespace;
using api::core::v1::ServiceAccount;
using runtime::Task;

constexpr Duration kPatience = 60s;

class RealServerTest : public ::testing::Test {
 public:
  ~RealServerTest() override {
    server.run(scheduler.stop());
    server.run(manager.stop());
    server.run(informers.stop());
    server.run(transport->stop());
  }

 protected:
  RealServerTest()
      : transport(server.transport()),
        client(*transport),
        informers(client, server.loop(), random, Logger()),
        manager(options(), client, informers, server.loop(), random, Logger()),
        scheduler({}, client, informers, server.loop(), random, Logger()) {
    EXPECT_TRUE(server.run(manager.start()));
    EXPECT_TRUE(server.run(scheduler.start()));
  }

  static controllers::ControllerManagerOptions options() {
    controllers::ControllerManagerOptions options;
    options.node_ipam.cluster_cidrs = {net::Prefix::parse("10.244.0.0/16").value()};
    options.root_ca = "the CA";
    return options;
  }

  Task<Result<>> add_node(std::string name) {
    Node node;
    node.metadata.name = name;
    node.metadata.labels = {{"kubernetes.io/hostname", name}};
    Node created = CO_TRY(co_await client.create(node));
    created.status.allocatable = created.status.capacity = {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "110"}};
    auto& ready = created.status.conditions.emplace_back();
    ready.type = "Ready";
    ready.status = "True";
    CO_TRY(co_await client.update_status(created));
    co_return Result<>();
  }

  static Deployment web(int32_t replicas) {
    Deployment deployment;
    deployment.metadata.name = "web";
    deployment.metadata.namespace_ = "shop";
    deployment.spec.replicas = replicas;
    deployment.spec.selector.emplace().matchLabels = {{"app", "web"}};
    deployment.spec.template_.metadata.labels = {{"app", "web"}};
    auto& container = deployment.spec.template_.spec.containers.emplace_back();
    container.name = "web";
    container.image = "web:1";
    return deployment;
  }

  /// What a node agent does: bound pods run, deleted ones end.
  Task<Result<>> run_pods() {
    const auto pods = CO_TRY(co_await client.list<Pod>("shop"));
    for (const Pod& pod : pods.items) {
      if (pod.spec.nodeName.empty()) continue;
      if (pod.metadata.deletionTimestamp) {
        static_cast<void>(
            co_await client.remove<Pod>("shop", pod.metadata.name, {.grace_period_seconds = 0}));
      } else if (pod.status.phase != "Running") {
        Pod running = pod;
        running.status.phase = "Running";
        auto& ready = running.status.conditions.emplace_back();
        ready.type = "Ready";
        ready.status = "True";
        static_cast<void>(co_await client.update_status(running));
      }
    }
    co_return Result<>();
  }

  /// Lets nodes and controllers work until `holds`.
  template <class Holds>
  bool eventually(Holds holds) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      static_cast<void>(server.run(run_pods()));
      if (holds()) return true;
      static_cast<void>(server.run(runtime::sleep_for(20ms)));
    }
    return false;
  }

  SystemRandom random;
  apiserver::testing::TestServer server;
  std::unique_ptr<net::InProcessTransport> transport;
  client::Client client;
  client::Informers informers;
  controllers::ControllerManager manager;
  Scheduler scheduler;
};

TEST_F(RealServerTest, ADeploymentBecomesAvailableAndItsNamespaceCanGo) {
  ASSERT_TRUE(server.run(add_node("a")));
  Namespace shop;
  shop.metadata.name = "shop";
  ASSERT_TRUE(server.run(client.create(shop)));
  EXPECT_TRUE(
      eventually([&] { return server.run(client.get<ServiceAccount>("shop", "default")).has_value(); }));
  ASSERT_TRUE(server.run(client.create(web(3))));
  EXPECT_TRUE(eventually([&] {
    const auto found = server.run(client.get<Deployment>("shop", "web"));
    return found && found->status.availableReplicas == 3;
  }));
  const auto pods = server.run(client.list<Pod>("shop"));
  ASSERT_TRUE(pods);
  EXPECT_EQ(pods->items.size(), 3u);
  const auto node = server.run(client.get<Node>("", "a"));
  EXPECT_EQ(node.value().spec.podCIDR, "10.244.0.0/24");
  ASSERT_TRUE(server.run(client.remove<Namespace>("", "shop")));
  EXPECT_TRUE(eventually([&] {
    const auto gone = server.run(client.get<Namespace>("", "shop"));
    return !gone && gone.error().code == Code::kNotFound;
  }));
}

TEST_F(RealServerTest, DeletingADeploymentCollectsWhatItOwned) {
  ASSERT_TRUE(server.run(add_node("a")));
  Namespace shop;
  shop.metadata.name = "shop";
  ASSERT_TRUE(server.run(client.create(shop)));
  ASSERT_TRUE(server.run(client.create(web(2))));
  EXPECT_TRUE(eventually([&] { return server.run(client.list<Pod>("shop")).value().items.size() == 2; }));
  ASSERT_TRUE(server.run(client.remove<Deployment>("shop", "web", {.propagation_policy = "Foreground"})));
  EXPECT_TRUE(eventually([&] {
    return server.run(client.list<Pod>("shop")).value().items.empty() &&
           server.run(client.list<Deployment>("shop")).value().items.empty();
  }));
}

}  // namespace
}  // namespace cloudless::scheduler
