#include "lb/election.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "gossip/testing/simulated_group.hpp"

namespace cloudless::lb {
namespace {

using namespace std::chrono_literals;
using gossip::SimulatedGroup;

net::IpAddress ip(const std::string& text) { return net::IpAddress::parse(text).value(); }

gossip::MembershipView members_of(const std::set<std::string>& alive,
                                  const std::set<std::string>& dead = {}) {
  gossip::MembershipView view;
  for (const std::string& name : alive) view.members[name] = {name, {}, gossip::MemberState::kAlive, 1};
  for (const std::string& name : dead) view.members[name] = {name, {}, gossip::MemberState::kDead, 1};
  return view;
}

ElectionView view_of(const gossip::MembershipView& members, const std::vector<std::string>& nodes) {
  ElectionView view;
  view.members = &members;
  AddressPool pool;
  pool.name = "p";
  pool.ranges = {parse_range("192.0.2.0/24").value()};
  view.pools = {pool};
  view.advertisements = {L2Advertisement{.name = "l2"}};
  for (const std::string& node : nodes) view.nodes.push_back({node, {{"host", node}}, false});
  return view;
}

AnnouncedService service(const std::set<std::string>& endpoint_nodes) {
  return {"default/web", {ip("192.0.2.10")}, ExternalPolicy::kCluster, endpoint_nodes};
}

std::set<std::string> names(const std::vector<Candidate>& candidates) {
  std::set<std::string> found;
  for (const Candidate& candidate : candidates) found.insert(candidate.node);
  return found;
}

using Names = std::set<std::string>;

TEST(Election, PolicyClusterLetsEveryLivingNodeAnnounceWhatHasAnEndpoint) {
  const auto members = members_of({"a", "b"}, {"c"});
  const ElectionView view = view_of(members, {"a", "b", "c", "stranger"});
  EXPECT_EQ(names(candidates(view, service({"b"}), ip("192.0.2.10"))), (Names{"a", "b"}));
  EXPECT_TRUE(candidates(view, service({}), ip("192.0.2.10")).empty());
  EXPECT_TRUE(candidates(view, service({"c"}), ip("192.0.2.10")).empty());
}

TEST(Election, PolicyLocalLetsNodesWithAnEndpointAnnounce) {
  const auto members = members_of({"a", "b", "c"});
  AnnouncedService local = service({"b", "c"});
  local.policy = ExternalPolicy::kLocal;
  EXPECT_EQ(names(candidates(view_of(members, {"a", "b", "c"}), local, ip("192.0.2.10"))), (Names{"b", "c"}));
}

TEST(Election, AdvertisementsChoosePoolsNodesAndInterfaces) {
  const auto members = members_of({"a", "b"});
  ElectionView view = view_of(members, {"a", "b"});
  L2Advertisement& advertisement = view.advertisements[0];
  advertisement.node_selectors = {schema::LabelSelector::from_map({{"host", "b"}})};
  advertisement.interfaces = {"eth1"};
  const auto found = candidates(view, service({"a"}), ip("192.0.2.10"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].node, "b");
  EXPECT_EQ(found[0].interfaces, (Names{"eth1"}));
  advertisement.pools = {"other"};
  EXPECT_TRUE(candidates(view, service({"a"}), ip("192.0.2.10")).empty());
  view.advertisements.clear();
  EXPECT_TRUE(candidates(view, service({"a"}), ip("192.0.2.10")).empty());
}

TEST(Election, ExcludedNodesAndForeignAddressesAreNotAnnounced) {
  const auto members = members_of({"a"});
  ElectionView view = view_of(members, {"a"});
  EXPECT_TRUE(candidates(view, service({"a"}), ip("198.51.100.1")).empty());
  view.nodes[0].excluded = true;
  EXPECT_TRUE(candidates(view, service({"a"}), ip("192.0.2.10")).empty());
}

TEST(Election, ANodeThatGoesMovesItsOwnAddressesAlone) {
  const std::vector<Candidate> three{{"a", {}}, {"b", {}}, {"c", {}}}, two{{"a", {}}, {"c", {}}};
  std::set<std::string> winners;
  for (uint64_t i = 0; i < 200; ++i) {
    const net::IpAddress address = ip("192.0.2.0").plus(i);
    const std::string before = elect(three, address)->node, after = elect(two, address)->node;
    winners.insert(before);
    if (before != "b") {
      EXPECT_EQ(before, after);
    }
  }
  EXPECT_EQ(winners.size(), 3u);
  EXPECT_FALSE(elect({}, ip("192.0.2.1")));
}

// Who announces `address`, by what each running node of the group believes.
std::vector<std::string> announcers(const SimulatedGroup& group, const std::vector<std::string>& nodes,
                                    const net::IpAddress& address) {
  std::vector<std::string> found;
  AnnouncedService everywhere{"default/web", {address}, ExternalPolicy::kLocal, {nodes.begin(), nodes.end()}};
  for (const std::string& name : group.running()) {
    const gossip::MembershipView members = group.view_of(name);
    if (!plan_announcements(view_of(members, nodes), {everywhere}, name).empty()) found.push_back(name);
  }
  return found;
}

TEST(Election, ThereIsOneAnnouncerOnceTheGroupHasSettledWhateverHappened) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimulatedGroup group(seed, 5, {.loss = 0.02});
    SeededRandom chance(seed);
    std::vector<std::string> nodes;
    for (size_t i = 0; i < 5; ++i) nodes.push_back(SimulatedGroup::name(i));
    group.run_for(5s);
    std::set<std::string> off;
    for (int event = 0; event < 10; ++event) {
      const std::string node = nodes[chance.below(nodes.size())];
      if (off.erase(node) > 0) {
        group.power_on(node);
      } else if (off.size() < 3) {
        group.power_off(node);
        off.insert(node);
      }
      group.run_for(4s);
      for (uint64_t i = 0; i < 10; ++i) {
        const auto who = announcers(group, nodes, ip("192.0.2.0").plus(i));
        EXPECT_EQ(who.size(), 1u) << "seed " << seed << " event " << event;
      }
    }
  }
}

// While the group is cut in two, each side serves whom it reaches: one announcer a side. Healed and settled,
// there is one again.
TEST(Election, EachSideOfAPartitionHasOneAnnouncerAndTheWholeHasOneAgain) {
  int doubled = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SimulatedGroup group(seed, 5, {.loss = 0.02});
    SeededRandom chance(seed);
    std::vector<std::string> nodes;
    for (size_t i = 0; i < 5; ++i) nodes.push_back(SimulatedGroup::name(i));
    group.run_for(5s);
    for (int round = 0; round < 4; ++round) {
      std::set<std::string> side{nodes[chance.below(5)], nodes[chance.below(5)]};
      group.partition(side);
      group.run_for(6s);
      for (uint64_t i = 0; i < 10; ++i) {
        const auto who = announcers(group, nodes, ip("192.0.2.0").plus(i));
        const auto here = std::ranges::count_if(who, [&](const auto& node) { return side.contains(node); });
        EXPECT_EQ(here, 1) << "seed " << seed << " round " << round;
        EXPECT_EQ(who.size(), 2u) << "seed " << seed << " round " << round;
        doubled += who.size() == 2 ? 1 : 0;
      }
      group.heal();
      group.run_for(6s);
      for (uint64_t i = 0; i < 10; ++i) {
        EXPECT_EQ(announcers(group, nodes, ip("192.0.2.0").plus(i)).size(), 1u)
            << "seed " << seed << " round " << round;
      }
    }
  }
  EXPECT_GT(doubled, 0) << "no partition was seen";
}

TEST(Election, AnAddressIsAnnouncedAgainSoonAfterItsNodeLosesPower) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimulatedGroup group(seed, 3, {});
    const std::vector<std::string> nodes{"n0", "n1", "n2"};
    const net::IpAddress address = ip("192.0.2.7");
    group.run_for(5s);
    const auto before = announcers(group, nodes, address);
    ASSERT_EQ(before.size(), 1u);
    group.power_off(before[0]);
    EXPECT_TRUE(group.run_until([&] { return announcers(group, nodes, address).size() == 1; }, 1300ms))
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace cloudless::lb
