#include "client/reconciler.hpp"

#include <gtest/gtest.h>

#include "api/core_v1.hpp"
#include "client/testing/fake_api.hpp"
#include "net/in_process.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::client {
namespace {

using namespace std::chrono_literals;
using api::core::v1::ConfigMap;

// Deletes objects until one is left, another one at each try.
Plan keep_one(const ObjectCache<ConfigMap>& cache, const PlanContext& context) {
  std::vector<ObjectCache<ConfigMap>::Ptr> left;
  for (const auto& [key, object] : cache.all()) {
    if (!is_deleting(*object)) left.push_back(object);
  }
  Plan plan;
  if (left.size() > 1)
    plan.actions.push_back(remove(context.failures % 2 == 0 ? *left.front() : *left.back()));
  return plan;
}

struct ReconcilerTest : ::testing::Test {
  ReconcilerTest() {
    for (const char* name : {"one", "two"}) {
      api.put("configmaps", {{"kind", "ConfigMap"},
                             {"apiVersion", "v1"},
                             {"metadata", {{"name", name}, {"namespace", "default"}}}});
    }
    reconciler.needs(config_maps);
    simulation.run_for(1s);
    scope.spawn(reconciler.run());
  }
  ~ReconcilerTest() override {
    scope.cancel();
    EXPECT_TRUE(simulation.run(scope.join()).has_value());
    EXPECT_TRUE(simulation.run(informers.stop()).has_value());
    EXPECT_TRUE(simulation.run(transport.stop()).has_value());
  }

  runtime::Simulation simulation{1};
  testing::FakeApi api{simulation, 1};
  net::InProcessTransport transport{simulation, api.handler(), "test", {}, Logger()};
  Client client{transport};
  SeededRandom random{1};
  Informers informers{client, simulation, random, Logger()};
  Informer<ConfigMap>& config_maps = informers.of<ConfigMap>();
  runtime::TaskScope scope{simulation, Logger()};
  EventRecorder recorder{client, scope, random, "test", "", Logger()};
  Performer performer{client, informers, recorder, "test"};
  Reconciler reconciler{{.name = "test"},
                        asking_nothing([this](const std::string&, const PlanContext& context) {
                          return keep_one(config_maps.cache(), context);
                        }),
                        performer,
                        simulation,
                        random,
                        Logger()};
};

TEST_F(ReconcilerTest, WhatALostAnswerDidIsReadBeforeTheNextPlan) {
  // The watch, too, is of no help.
  api.set_faults({.lost_answer = 1, .dropped_watch = 1});
  reconciler.enqueue("all");
  simulation.run_for(1min);
  EXPECT_EQ(api.all("configmaps").size(), 1u);
}

TEST_F(ReconcilerTest, AWriteThatWasNotDoneIsTriedAgain) {
  api.set_faults({.refused = 1, .dropped_watch = 1});
  reconciler.enqueue("all");
  simulation.run_for(1min);
  EXPECT_EQ(api.all("configmaps").size(), 2u);
  api.set_faults({});
  simulation.run_for(30min);
  EXPECT_EQ(api.all("configmaps").size(), 1u);
}

}  // namespace
}  // namespace cloudless::client
