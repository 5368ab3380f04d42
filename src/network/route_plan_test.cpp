#include "network/route_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace cloudless::network {
namespace {

constexpr uint32_t kLoopback = 1, kLan = 2, kVxlan = 9;

net::IpAddress ip(const std::string& text) { return net::IpAddress::parse(text).value(); }
net::Prefix cidr(const std::string& text) { return net::Prefix::parse(text).value(); }

NetworkOptions options(Encapsulation encapsulation) {
  NetworkOptions made;
  made.node_name = "a";
  made.cluster_cidrs = {cidr("10.244.0.0/16")};
  made.service_cidrs = {cidr("10.96.0.0/12")};
  made.encapsulation = encapsulation;
  return made;
}

const std::vector<NodeAddressing> kNodes{{"a", {cidr("10.244.0.0/24")}, {ip("192.0.2.1")}},
                                         {"near", {cidr("10.244.1.0/24")}, {ip("192.0.2.2")}},
                                         {"far", {cidr("10.244.2.0/24")}, {ip("198.51.100.2")}}};

Underlay underlay(uint32_t vxlan) {
  return {{{kLoopback, cidr("127.0.0.1/8")}, {kLan, cidr("192.0.2.1/24")}}, kLoopback, vxlan};
}

const net::Route* route_to(const RoutePlan& plan, const std::string& destination) {
  const auto found = std::ranges::find(plan.routes, cidr(destination), &net::Route::destination);
  return found == plan.routes.end() ? nullptr : &*found;
}

TEST(RoutePlan, ANodeOnOurLinkIsReachedByAPlainRoute) {
  const RoutePlan plan = plan_routes(options(Encapsulation::kAuto), kNodes, underlay(kVxlan));
  const net::Route* near = route_to(plan, "10.244.1.0/24");
  ASSERT_TRUE(near);
  EXPECT_EQ(near->gateway, ip("192.0.2.2"));
  EXPECT_EQ(near->interface_index, kLan);
}

TEST(RoutePlan, ANodeElsewhereIsReachedThroughTheTunnelWithoutLearning) {
  const RoutePlan plan = plan_routes(options(Encapsulation::kAuto), kNodes, underlay(kVxlan));
  const net::Route* far = route_to(plan, "10.244.2.0/24");
  ASSERT_TRUE(far);
  EXPECT_EQ(far->gateway, ip("10.244.2.0"));
  EXPECT_EQ(far->interface_index, kVxlan);
  EXPECT_TRUE(far->on_link);
  ASSERT_EQ(plan.neighbours.size(), 1u);
  EXPECT_EQ(plan.neighbours[0].mac, vtep_mac("far"));
  ASSERT_EQ(plan.forwarding.size(), 1u);
  EXPECT_EQ(plan.forwarding[0].address, ip("198.51.100.2"));
  EXPECT_EQ(plan.vxlan_addresses, (std::vector<net::InterfaceAddress>{{kVxlan, cidr("10.244.0.0/32")}}));
}

TEST(RoutePlan, TheTunnelIsAskedForOnlyWhereSomebodyIsBehindIt) {
  EXPECT_TRUE(plan_routes(options(Encapsulation::kAuto), kNodes, underlay(0)).needs_vxlan);
  EXPECT_FALSE(plan_routes(options(Encapsulation::kAuto), {kNodes[0], kNodes[1]}, underlay(0)).needs_vxlan);
  EXPECT_TRUE(plan_routes(options(Encapsulation::kVxlan), {kNodes[0], kNodes[1]}, underlay(0)).needs_vxlan);
}

TEST(RoutePlan, WithoutEncapsulationANodeElsewhereIsAProblemToTell) {
  const RoutePlan plan = plan_routes(options(Encapsulation::kNative), kNodes, underlay(0));
  EXPECT_FALSE(route_to(plan, "10.244.2.0/24"));
  ASSERT_EQ(plan.problems.size(), 1u);
  EXPECT_TRUE(plan.problems[0].starts_with("node far (198.51.100.2) is not on a network of this node"));
}

TEST(RoutePlan, OurOwnPodsAndClusterIpsEndHere) {
  const RoutePlan plan = plan_routes(options(Encapsulation::kAuto), {kNodes[0]}, underlay(0));
  ASSERT_TRUE(route_to(plan, "10.244.0.0/24"));
  EXPECT_EQ(route_to(plan, "10.244.0.0/24")->type, 7);
  ASSERT_TRUE(route_to(plan, "10.96.0.0/12"));
  EXPECT_EQ(route_to(plan, "10.96.0.0/12")->interface_index, kLoopback);
  EXPECT_EQ(route_to(plan, "10.96.0.0/12")->source, ip("192.0.2.1"));
}

TEST(RoutePlan, BothFamiliesOfPodsShareOneTunnel) {
  std::vector<NodeAddressing> nodes = kNodes;
  nodes[0].internal_ips.push_back(ip("2001:db8::1"));
  nodes[2].pod_cidrs.push_back(cidr("fd00:10:244:2::/64"));
  nodes[2].internal_ips.push_back(ip("2001:db9::2"));
  const RoutePlan plan = plan_routes(options(Encapsulation::kAuto), nodes, underlay(kVxlan));
  EXPECT_TRUE(route_to(plan, "fd00:10:244:2::/64"));
  EXPECT_EQ(plan.neighbours.size(), 2u);
  ASSERT_EQ(plan.forwarding.size(), 1u);
  EXPECT_EQ(plan.forwarding[0].address, ip("198.51.100.2"));
}

TEST(RoutePlan, VtepsHaveUnicastAddressesOfTheirOwn) {
  EXPECT_NE(vtep_mac("a"), vtep_mac("b"));
  EXPECT_EQ(vtep_mac("a")[0] & 3, 2);
}

}  // namespace
}  // namespace cloudless::network
