#include "gossip/death_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gossip/testing/simulated_group.hpp"

namespace cloudless::gossip {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kSeeds = 4;

MembershipView view_of(const std::string& self, std::map<std::string, MemberState> states) {
  MembershipView view;
  view.self = self;
  for (const auto& [name, state] : states) view.members[name] = {.name = name, .address = {}, .state = state};
  return view;
}

TEST(DeathReport, IsTheFirstLivingNodesOfAMajority) {
  const auto alive = MemberState::kAlive, suspect = MemberState::kSuspect, dead = MemberState::kDead;
  const std::map<std::string, MemberState> one_of_three{{"a", dead}, {"b", suspect}, {"c", alive}};
  EXPECT_THAT(dead_to_report(view_of("b", one_of_three), AtHalf::kIsSilent), ElementsAre("a"));
  EXPECT_THAT(dead_to_report(view_of("c", one_of_three), AtHalf::kIsSilent), IsEmpty());
  const std::map<std::string, MemberState> two_of_three{{"a", dead}, {"b", dead}, {"c", alive}};
  EXPECT_THAT(dead_to_report(view_of("c", two_of_three), AtHalf::kReports), IsEmpty());
  const std::map<std::string, MemberState> one_of_two{{"a", dead}, {"b", alive}};
  EXPECT_THAT(dead_to_report(view_of("b", one_of_two), AtHalf::kIsSilent), IsEmpty());
  EXPECT_THAT(dead_to_report(view_of("b", one_of_two), AtHalf::kReports), ElementsAre("a"));
  EXPECT_THAT(dead_to_report(view_of("b", {{"a", MemberState::kLeft}, {"b", alive}}), AtHalf::kReports),
              IsEmpty());
}

// A group whose nodes look at their views every 20 ms.
class Reporters {
 public:
  Reporters(uint64_t seed, size_t size, SimulatedGroup::Network network) : group(seed, size, network) {
    EXPECT_TRUE(group.run_until([&] { return all_alive(); }, 10s)) << "seed " << seed;
  }

  void step() {
    group.run_for(20ms);
    said.clear();
    for (const std::string& name : group.running()) {
      auto [at, is_new] = reports_.try_emplace(name, AtHalf::kIsSilent);
      for (const std::string& dead : at->second.look(group.view_of(name), group.now()))
        said[name].insert(dead);
    }
  }
  /// Everything that is said now, by whomever.
  std::set<std::string> all() const {
    std::set<std::string> dead;
    for (const auto& [name, names] : said) dead.insert(names.begin(), names.end());
    return dead;
  }
  bool come_to_say(const std::set<std::string>& wanted, Duration limit) {
    for (Duration passed{0}; passed < limit; passed += 20ms) {
      step();
      if (all() == wanted) return true;
    }
    return false;
  }

  SimulatedGroup group;
  std::map<std::string, std::set<std::string>> said;  // by who says it

 private:
  bool all_alive() const {
    for (const std::string& name : group.running()) {
      if (!group.all_see(name, MemberState::kAlive)) return false;
    }
    return true;
  }

  std::map<std::string, DeathReport> reports_;
};

TEST(DeathReport, NamesAPoweredOffNodeWithinSeconds) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Reporters nodes(seed, 5, {.loss = 0.01});
    nodes.group.power_off("n0");
    ASSERT_TRUE(nodes.come_to_say({"n0"}, 5s)) << "seed " << seed;
    nodes.group.power_on("n0");
    ASSERT_TRUE(nodes.come_to_say({}, 10s)) << "seed " << seed;
  }
}

// At no moment does the smaller side name anybody, nor the larger one any of its own.
TEST(DeathReport, OfAPartitionNamesTheSmallerSideAlone) {
  const std::set<std::string> smaller{"n0", "n1"};
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Reporters nodes(seed, 5, {});
    nodes.group.partition(smaller);
    for (int step = 0; step < 250; ++step) {
      nodes.step();
      for (const auto& [name, names] : nodes.said) {
        for (const std::string& dead : names)
          ASSERT_TRUE(!smaller.contains(name) && smaller.contains(dead))
              << name << " names " << dead << ", seed " << seed << " after " << step * 20 << " ms";
      }
    }
    EXPECT_EQ(nodes.all(), smaller) << "seed " << seed;
    nodes.group.heal();
    ASSERT_TRUE(nodes.come_to_say({}, 30s)) << "seed " << seed;
  }
}

// One that is alone finds the others dead one by one, and never the first of them only.
TEST(DeathReport, OfANodeThatIsAloneNamesNobody) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Reporters nodes(seed, 7, {});
    nodes.group.partition({"n0"});
    for (int step = 0; step < 250; ++step) {
      nodes.step();
      ASSERT_FALSE(nodes.said.contains("n0")) << "seed " << seed << " after " << step * 20 << " ms";
    }
    EXPECT_EQ(nodes.all(), std::set<std::string>{"n0"}) << "seed " << seed;
  }
}

// A process that stands still again and again is named while it does, and the others never are.
TEST(DeathReport, OfAFlappingNodeNamesNoOther) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Reporters nodes(seed, 4, {});
    for (int round = 0; round < 3; ++round) {
      nodes.group.freeze("n1");
      for (int step = 0; step < 150; ++step) {
        nodes.step();
        for (const char* steady : {"n0", "n2", "n3"})
          ASSERT_FALSE(nodes.all().contains(steady)) << "seed " << seed;
      }
      EXPECT_TRUE(nodes.all().contains("n1")) << "seed " << seed;
      nodes.group.thaw("n1");
      ASSERT_TRUE(nodes.come_to_say({}, 10s)) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace cloudless::gossip
