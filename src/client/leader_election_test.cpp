#include "client/leader_election.hpp"

#include <gtest/gtest.h>

#include "api/coordination_v1.hpp"
#include "client/event_recorder.hpp"
#include "client/testing/fake_api.hpp"
#include "net/in_process.hpp"
#include "runtime/simulation.hpp"
#include "runtime/timer.hpp"

namespace cloudless::client {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow{1'790'000'000s};

TEST(LeasePlan, TakesWhatIsFreeReleasedOrExpiredByOurOwnClockAndKeepsWhatIsOurs) {
  const LeaderElectionOptions options{.lease_name = "l", .identity = "me"};
  EXPECT_TRUE(plan_lease(options, std::nullopt, SteadyTime(0s), kNow));
  LeaseObservation seen{{.holder = "other", .duration_seconds = 15, .transitions = 3}, SteadyTime(100s)};
  EXPECT_FALSE(plan_lease(options, seen, SteadyTime(114s), kNow));
  const auto taken = plan_lease(options, seen, SteadyTime(115s), kNow);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->holder, "me");
  EXPECT_EQ(taken->transitions, 4);
  seen.record.holder = "";
  EXPECT_TRUE(plan_lease(options, seen, SteadyTime(100s), kNow));
  seen.record.holder = "me";
  seen.record.acquire_time = kNow - 1h;
  const auto renewed = plan_lease(options, seen, SteadyTime(100s), kNow);
  ASSERT_TRUE(renewed);
  EXPECT_EQ(renewed->transitions, 3);
  EXPECT_EQ(renewed->acquire_time, kNow - 1h);
}

struct Candidate {
  Candidate(runtime::Simulation& simulation, const Client& client, Random& random, std::string identity)
      : elector(client, {.lease_name = "l", .identity = std::move(identity)}, random, Logger()),
        scope(simulation, Logger()) {
    scope.spawn(compete());
  }
  runtime::Task<void> compete() {
    // A role that lost its lease competes again.
    while (!co_await elector.run([] { return stay(); })) {
      if (scope.cancelled()) co_return;
      ++losses;
    }
  }
  static runtime::Task<void> stay() { static_cast<void>(co_await runtime::sleep_for(24h)); }

  int losses = 0;
  LeaderElector elector;
  runtime::TaskScope scope;
};

TEST(LeaderElection, OneLeadsAtATimeAndAnotherFollowsWhenItLeaves) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    runtime::Simulation simulation(seed);
    testing::FakeApi api(simulation, seed);
    const bool faulty = seed > 2;
    if (faulty) api.set_faults({.refused = 0.1, .lost_answer = 0.1});
    net::InProcessTransport transport(simulation, api.handler(), "test", {}, Logger());
    const Client client(transport);
    SeededRandom random(seed);
    Candidate a(simulation, client, random, "a");
    Candidate b(simulation, client, random, "b");
    for (int i = 0; i < 100; ++i) {
      simulation.run_for(1s);
      EXPECT_FALSE(a.elector.leads() && b.elector.leads()) << "seed " << seed;
    }
    api.set_faults({});
    simulation.run_for(40s);
    EXPECT_TRUE(a.elector.leads() || b.elector.leads()) << "seed " << seed;
    if (!faulty) EXPECT_EQ(a.losses + b.losses, 0);
    Candidate& first = a.elector.leads() ? a : b;
    Candidate& second = a.elector.leads() ? b : a;
    first.scope.cancel();
    simulation.run_for(40s);
    EXPECT_FALSE(first.elector.leads());
    EXPECT_TRUE(second.elector.leads()) << "seed " << seed;
    second.scope.cancel();
    simulation.run_for(10s);
    EXPECT_TRUE(a.scope.idle() && b.scope.idle());
    EXPECT_TRUE(simulation.run(transport.stop()).has_value());
  }
}

EventText event(const std::string& message) {
  return {{.kind = "Pod", .ns = "default", .name = "p", .uid = "u"}, EventLevel::kWarning, "Failed", message};
}

TEST(EventCorrelator, CountsTheSameEventCombinesSimilarOnesAndDropsAFlood) {
  EventCorrelator correlator;
  auto outcome = correlator.correlate(event("same"), kNow);
  EXPECT_TRUE(outcome.event_name.empty());
  correlator.remember(outcome.known_key, "p.1");
  outcome = correlator.correlate(event("same"), kNow);
  EXPECT_EQ(outcome.event_name, "p.1");
  EXPECT_EQ(outcome.count, 2);
  for (int i = 0; i < 10; ++i) outcome = correlator.correlate(event("message " + std::to_string(i)), kNow);
  EXPECT_TRUE(outcome.message.starts_with("(combined from similar events): "));
  for (int i = 0; i < 30; ++i) outcome = correlator.correlate(event("same"), kNow);
  EXPECT_TRUE(outcome.drop);
  EXPECT_FALSE(correlator.correlate(event("same"), kNow + EventCorrelator::kRefill).drop);
}

}  // namespace
}  // namespace cloudless::client
