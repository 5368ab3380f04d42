#include "client/client.hpp"

#include <gtest/gtest.h>

#include "api/core_v1.hpp"
#include "client/informers.hpp"
#include "client/leader_election.hpp"
#include "client/testing/fake_api.hpp"
#include "net/in_process.hpp"
#include "runtime/simulation.hpp"
#include "runtime/timer.hpp"

namespace cloudless::client {
namespace {

using namespace std::chrono_literals;
using api::core::v1::ConfigMap;
using api::core::v1::Pod;

struct ClientTest : ::testing::Test {
  explicit ClientTest(uint64_t seed = 1)
      : simulation(seed),
        api(simulation, seed),
        transport(simulation, api.handler(), "test", {}, Logger()),
        client(transport),
        random(seed) {}
  ~ClientTest() override { EXPECT_TRUE(simulation.run(transport.stop()).has_value()); }

  template <class T>
  T run(runtime::Task<T> task) {
    return simulation.run(std::move(task)).value();
  }
  static ConfigMap config_map(const std::string& name, const std::string& value) {
    ConfigMap object;
    object.metadata.namespace_ = "default";
    object.metadata.name = name;
    object.data["value"] = value;
    return object;
  }

  runtime::Simulation simulation;
  testing::FakeApi api;
  net::InProcessTransport transport;
  Client client;
  SeededRandom random;
};

TEST_F(ClientTest, CreatesReadsUpdatesPatchesAndDeletesTypedObjects) {
  const ConfigMap created = run(client.create(config_map("one", "a"))).value();
  EXPECT_FALSE(created.metadata.uid.empty());
  ConfigMap changed = created;
  changed.data["value"] = "b";
  EXPECT_EQ(run(client.update(changed)).value().data["value"], "b");
  EXPECT_EQ(run(client.patch<ConfigMap>("default", "one", PatchType::kMerge, R"({"data":{"value":"c"}})"))
                .value()
                .data["value"],
            "c");
  EXPECT_EQ(run(client.get<ConfigMap>("default", "one")).value().data["value"], "c");
  EXPECT_EQ(run(client.list<ConfigMap>("")).value().items.size(), 1u);
  EXPECT_TRUE(run(client.remove<ConfigMap>("default", "one")));
  EXPECT_EQ(run(client.get<ConfigMap>("default", "one")).error().code, Code::kNotFound);
}

TEST_F(ClientTest, AStatusBecomesACodeAndItsMessage) {
  const ConfigMap created = run(client.create(config_map("one", "a"))).value();
  EXPECT_EQ(run(client.create(config_map("one", "a"))).error(),
            (Error{Code::kAlreadyExists, "configmaps \"one\" already exists"}));
  ConfigMap stale = created;
  EXPECT_TRUE(run(client.update(stale)));
  EXPECT_EQ(run(client.update(stale)).error().code, Code::kConflict);
  EXPECT_EQ(error_of_status(429, "busy").code, Code::kResourceExhausted);
  EXPECT_EQ(error_of_status(410, R"({"kind":"Status","reason":"Expired","message":"too old"})"),
            (Error{Code::kCompacted, "too old"}));
}

TEST(Resource, PathsNameGroupNamespaceObjectAndSubresource) {
  const Resource pods{"", "v1", "pods", "Pod"};
  EXPECT_EQ(pods.path(""), "/api/v1/pods");
  EXPECT_EQ(pods.path("a b", "c", "status"), "/api/v1/namespaces/a%20b/pods/c/status");
  const Resource nodes{"", "v1", "nodes", "Node", Scope::kCluster};
  EXPECT_EQ(nodes.path("ignored", "n"), "/api/v1/nodes/n");
  EXPECT_EQ((Resource{"apps", "v1", "deployments", "Deployment"}).path("x"),
            "/apis/apps/v1/namespaces/x/deployments");
  EXPECT_EQ(resource_of<Pod>(), pods);
}

// Answers 429 with Retry-After a number of times before it answers.
class BusyTransport final : public net::Transport {
 public:
  explicit BusyTransport(int busy) : busy_(busy) {}
  runtime::Task<Result<net::Response>> send(net::Request) override {
    ++calls;
    net::Response response;
    response.status = calls <= busy_ ? 429 : 200;
    if (response.status == 429) response.headers.set("Retry-After", "2");
    response.body = net::make_body(std::string("{}"));
    co_return response;
  }
  int calls = 0;

 private:
  int busy_;
};

TEST(ClientRetries, WaitsAsLongAsTheServerAsksAndGivesUpAfterItsBound) {
  runtime::Simulation simulation;
  BusyTransport twice(2);
  const SteadyTime before = simulation.clock().steady_now();
  EXPECT_TRUE(simulation.run(Client(twice).call({.target = "/version"})).value());
  EXPECT_EQ(twice.calls, 3);
  EXPECT_EQ(simulation.clock().steady_now() - before, 4s);
  BusyTransport always(1000);
  EXPECT_EQ(simulation.run(Client(always).call({.target = "/version"})).value().error().code,
            Code::kResourceExhausted);
  EXPECT_EQ(always.calls, Client::kMaxRetries + 1);
}

/// A view kept by an informer's handler alone.
struct Mirror {
  std::map<std::string, std::string> values;
  void follow(Informer<ConfigMap>& informer) {
    informer.add_handler([this](const auto& before, const auto& now) {
      const std::string key = key_of(now ? *now : *before);
      EXPECT_EQ(values.contains(key), before != nullptr);
      if (now) {
        values[key] = now->data.at("value");
      } else {
        values.erase(key);
      }
    });
  }
};

struct InformerTest : ClientTest {
  explicit InformerTest(uint64_t seed = 1)
      : ClientTest(seed), informers(client, simulation, random, Logger()) {}
  ~InformerTest() override { EXPECT_TRUE(simulation.run(informers.stop()).has_value()); }
  void put(const std::string& name, const std::string& value) {
    auto object = boost::json::parse(encode_object(config_map(name, value))).get_object();
    api.put("configmaps", std::move(object));
  }
  void expect_mirrored(const Mirror& mirror) {
    std::map<std::string, std::string> there;
    for (const auto* object : api.all("configmaps")) {
      const auto decoded = decode_object<ConfigMap>(boost::json::value(*object)).value();
      there[key_of(decoded)] = decoded.data.at("value");
    }
    EXPECT_EQ(mirror.values, there);
  }
  Informers informers;
};

TEST_F(InformerTest, ReportsWhatIsThereAndWhatChanges) {
  put("one", "a");
  Mirror mirror;
  auto& informer = informers.of<ConfigMap>();
  mirror.follow(informer);
  EXPECT_FALSE(informer.synced());
  simulation.run_for(1s);
  EXPECT_TRUE(informer.synced());
  put("two", "b");
  put("one", "c");
  simulation.run_for(1s);
  expect_mirrored(mirror);
  api.erase("configmaps", "default/one");
  simulation.run_for(1s);
  expect_mirrored(mirror);
}

TEST_F(InformerTest, ARelistAfterCompactionTellsTheDifferenceAlone) {
  put("one", "a");
  put("two", "b");
  Mirror mirror;
  mirror.follow(informers.of<ConfigMap>());
  simulation.run_for(1s);
  api.erase("configmaps", "default/one");
  put("three", "c");
  api.compact();
  api.drop_watches();
  simulation.run_for(10s);
  expect_mirrored(mirror);
}

TEST_F(InformerTest, AnUnknownResourceIsEmptyUntilItAppears) {
  api.hide("configmaps");
  put("one", "a");
  Mirror mirror;
  auto& informer = informers.of<ConfigMap>();
  mirror.follow(informer);
  simulation.run_for(1s);
  EXPECT_TRUE(informer.synced());
  EXPECT_EQ(informer.cache().size(), 0u);
  api.show("configmaps");
  simulation.run_for(InformerBase::kAbsentRetry + 1s);
  expect_mirrored(mirror);
}

TEST_F(InformerTest, AResourceThatIsAboutToAppearIsSeenSoon) {
  api.hide("configmaps");
  put("one", "a");
  Mirror mirror;
  mirror.follow(informers.of<ConfigMap>());
  simulation.run_for(50ms);
  api.show("configmaps");
  simulation.run_for(500ms);
  expect_mirrored(mirror);
}

TEST_F(InformerTest, AnObservedWriteIsSeenAtOnceAndNeverTakenBack) {
  auto& informer = informers.of<ConfigMap>();
  simulation.run_for(1s);
  const std::string answer =
      run(client.create_raw(resource_of<ConfigMap>(), "default", encode_object(config_map("one", "a"))))
          .value();
  api.erase("configmaps", "default/one");
  simulation.run_for(1s);
  // The watch has seen it come and go; the late answer must not bring it back.
  informer.observe(boost::json::parse(answer));
  EXPECT_EQ(informer.cache().get("default/one"), nullptr);
}

TEST(InformerSeeds, TheCacheConvergesUnderLostWatchesAndCompactions) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    runtime::Simulation simulation(seed);
    testing::FakeApi api(simulation, seed);
    api.set_faults({.dropped_watch = 0.1});
    net::InProcessTransport transport(simulation, api.handler(), "test", {}, Logger());
    const Client client(transport);
    SeededRandom random(seed);
    Informers informers(client, simulation, random, Logger());
    Mirror mirror;
    mirror.follow(informers.of<ConfigMap>());
    for (int step = 0; step < 200; ++step) {
      const std::string name = std::to_string(random.below(10));
      if (random.below(3) == 0) {
        api.erase("configmaps", "default/" + name);
      } else {
        api.put("configmaps", {{"kind", "ConfigMap"},
                               {"apiVersion", "v1"},
                               {"metadata", {{"name", name}, {"namespace", "default"}}},
                               {"data", {{"value", std::to_string(step)}}}});
      }
      if (random.below(20) == 0) api.compact();
      if (random.below(10) == 0) api.drop_watches();
      simulation.run_for(std::chrono::milliseconds(random.below(300)));
    }
    api.set_faults({});
    simulation.run_for(2min);
    std::map<std::string, std::string> there;
    for (const auto* object : api.all("configmaps")) {
      const auto decoded = decode_object<ConfigMap>(boost::json::value(*object)).value();
      there[key_of(decoded)] = decoded.data.at("value");
    }
    EXPECT_EQ(mirror.values, there) << "seed " << seed;
    EXPECT_TRUE(simulation.run(informers.stop()).has_value());
    EXPECT_TRUE(simulation.run(transport.stop()).has_value());
  }
}

TEST(ObjectCache, FindsByNamespaceAndIndex) {
  ObjectCache<ConfigMap> cache;
  cache.add_index("value", [](const ConfigMap& object) { return std::vector{object.data.at("value")}; });
  const auto put = [&cache](const char* ns, const char* name, const char* value) {
    ConfigMap object;
    object.metadata.namespace_ = ns;
    object.metadata.name = name;
    object.data["value"] = value;
    cache.put(key_of(object), std::make_shared<const ConfigMap>(object));
  };
  put("a", "x", "1");
  put("a", "y", "2");
  put("ab", "x", "1");
  EXPECT_EQ(cache.in_namespace("a").size(), 2u);
  EXPECT_EQ(cache.by_index("value", "1").size(), 2u);
  put("a", "x", "2");
  EXPECT_EQ(cache.by_index("value", "1").size(), 1u);
  cache.erase("a/y");
  EXPECT_EQ(cache.by_index("value", "2").size(), 1u);
  EXPECT_EQ(cache.get("a", "y"), nullptr);
}

}  // namespace
}  // namespace cloudless::client
