#include "gossip/swim.hpp"

#include <gtest/gtest.h>

#include "gossip/testing/simulated_group.hpp"

namespace cloudless::gossip {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kSeeds = 20;

bool all_alive(const SimulatedGroup& group) {
  for (const std::string& name : group.running()) {
    if (!group.all_see(name, MemberState::kAlive)) return false;
  }
  return true;
}

struct GroupCase {
  size_t size;
  double loss;
  std::chrono::milliseconds limit;
  uint64_t seeds = kSeeds;
};

class GroupsOf : public testing::TestWithParam<GroupCase> {};

TEST_P(GroupsOf, FindEachOtherAndSeeAPowerOffEverywhereInTime) {
  const auto [size, loss, limit, seeds] = GetParam();
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SimulatedGroup group(seed, size, {.loss = loss});
    ASSERT_TRUE(group.run_until([&] { return all_alive(group); }, 10s)) << "seed " << seed;
    group.run_for(5s);
    group.power_off("n0");
    const auto took = group.run_until([&] { return group.all_see("n0", MemberState::kDead); }, limit);
    ASSERT_TRUE(took) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, GroupsOf,
                         testing::Values(GroupCase{2, 0, 1000ms}, GroupCase{3, 0, 1300ms},
                                         GroupCase{3, 0.1, 3000ms}, GroupCase{10, 0, 1400ms},
                                         GroupCase{50, 0, 1800ms, 4}));

TEST(Swim, NobodyIsTakenForDeadOnALossyNetwork) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimulatedGroup group(seed, 5, {.loss = 0.05});
    ASSERT_TRUE(group.run_until([&] { return all_alive(group); }, 10s));
    for (int step = 0; step < 3000; ++step) {
      group.run_for(20ms);
      for (const std::string& name : group.running())
        ASSERT_FALSE(group.view_of(name).is_dead("n1")) << "seed " << seed << " after " << step * 20 << " ms";
    }
  }
}

TEST(Swim, AGoodbyeIsKnownAtOnce) {
  SimulatedGroup group(1, 5, {});
  group.run_for(3s);
  group.leave("n2");
  EXPECT_LE(group.run_until([&] { return group.all_see("n2", MemberState::kLeft); }, 1s), 20ms);
}

TEST(Swim, ANodeThatComesBackIsAliveAgainWithinSeconds) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimulatedGroup group(seed, 5, {});
    group.run_for(3s);
    group.power_off("n2");
    group.run_for(3s);
    group.power_on("n2");
    EXPECT_TRUE(group.run_until([&] { return all_alive(group); }, 500ms)) << "seed " << seed;
  }
}

TEST(Swim, ANodeThatWasCutOffReturnsWithoutHarmToTheOthers) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimulatedGroup group(seed, 5, {});
    group.run_for(3s);
    group.partition({"n2"});
    group.run_for(10s);
    EXPECT_TRUE(group.view_of("n2").is_dead("n1"));
    group.heal();
    for (int step = 0; step < 300; ++step) {
      group.run_for(10ms);
      for (const char* other : {"n0", "n1", "n3", "n4"}) {
        EXPECT_FALSE(group.view_of("n0").is_dead(other)) << "seed " << seed;
        EXPECT_FALSE(group.view_of("n1").is_dead(other)) << "seed " << seed;
      }
    }
    EXPECT_TRUE(all_alive(group)) << "seed " << seed;
  }
}

TEST(Swim, BothHalvesOfAPartitionAgreeAfterIt) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimulatedGroup group(seed, 6, {});
    group.run_for(3s);
    group.partition({"n0", "n1", "n2"});
    group.run_for(20s);
    group.heal();
    EXPECT_TRUE(group.run_until([&] { return all_alive(group); }, 5s)) << "seed " << seed;
  }
}

// One node's link comes and goes at random: the others go on believing in each other, and once the link
// stays, all believe in all. That the flapping was noticed at all shows that the seeds do what they say.
TEST(Swim, ALinkThatFlapsHarmsNoOtherNode) {
  int noticed = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SimulatedGroup group(seed, 5, {.loss = 0.01});
    SeededRandom random(seed);
    ASSERT_TRUE(group.run_until([&] { return all_alive(group); }, 10s)) << "seed " << seed;
    for (int flap = 0; flap < 20; ++flap) {
      group.partition({"n4"});
      group.run_for(std::chrono::milliseconds(50 + random.below(2500)));
      noticed += group.view_of("n0").is_dead("n4") ? 1 : 0;
      for (const char* stable : {"n0", "n1", "n2", "n3"}) {
        for (const char* other : {"n0", "n1", "n2", "n3"})
          ASSERT_FALSE(group.view_of(stable).is_dead(other)) << "seed " << seed << " flap " << flap;
      }
      group.heal();
      group.run_for(std::chrono::milliseconds(50 + random.below(1500)));
    }
    EXPECT_TRUE(group.run_until([&] { return all_alive(group); }, 5s)) << "seed " << seed;
  }
  EXPECT_GT(noticed, 0);
}

TEST(Swim, AProcessThatStoodStillDoesNotBlameTheOthers) {
  SimulatedGroup group(3, 4, {});
  group.run_for(3s);
  group.freeze("n1");
  group.run_for(10s);
  EXPECT_TRUE(group.view_of("n0").is_dead("n1"));
  group.thaw("n1");
  for (int step = 0; step < 200; ++step) {
    group.run_for(10ms);
    for (const char* other : {"n0", "n2", "n3"}) EXPECT_FALSE(group.view_of("n1").is_dead(other));
  }
  EXPECT_TRUE(all_alive(group));
}

TEST(Swim, AnIdleGroupOfThreeSendsAFewKilobytesASecond) {
  SimulatedGroup group(1, 3, {});
  group.run_for(5s);
  const size_t packets = group.packets(), bytes = group.bytes();
  group.run_for(100s);
  EXPECT_LE((group.packets() - packets) / 100 / 3, 10u);
  EXPECT_LE((group.bytes() - bytes) / 100 / 3, 1500u);
}

TEST(Swim, ANodeAloneWaitsForNothing) {
  SeededRandom random(1);
  const Swim swim({}, {"n0", {}}, 1, random, SteadyTime());
  EXPECT_EQ(swim.next_timer(), std::nullopt);
}

TEST(Swim, APeerThatNeverAnsweredIsUnknownAndNotDead) {
  SeededRandom random(1);
  Swim swim({}, {"n0", {net::IpAddress::v4(1), 1}}, 1, random, SteadyTime());
  EXPECT_EQ(swim.set_peers(SteadyTime(), {{"n1", {net::IpAddress::v4(2), 1}}}).size(), 1u);
  swim.on_timer(SteadyTime(10s));
  EXPECT_EQ(swim.members().size(), 1u);
  EXPECT_TRUE(swim.next_timer());
}

}  // namespace
}  // namespace cloudless::gossip
