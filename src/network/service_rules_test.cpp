#include "network/service_rules.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace cloudless::network {
namespace {

net::IpAddress ip(const std::string& text) { return net::IpAddress::parse(text).value(); }
net::Prefix cidr(const std::string& text) { return net::Prefix::parse(text).value(); }

NodeContext node_a() {
  NodeContext node;
  node.node_name = "a";
  node.pod_cidrs = {cidr("10.244.0.0/24")};
  node.cluster_cidrs = {cidr("10.244.0.0/16")};
  node.service_cidrs = {cidr("10.96.0.0/12")};
  return node;
}

ServiceEndpoint endpoint(const std::string& address, const std::string& node) {
  return {ip(address), 8080, node, true, true, false};
}

ServiceView web() {
  ServiceView view;
  view.key = "default/web";
  view.cluster_ips = {ip("10.96.0.1")};
  view.ports = {{"http", "tcp", 80, 0, {endpoint("10.244.1.2", "b"), endpoint("10.244.0.2", "a")}}};
  return view;
}

using Map = std::map<std::string, std::string>;

TEST(ServiceRules, AClusterIpLeadsToItsEndpointsByIndex) {
  const Fragment fragment = plan_service(web(), node_a(), Family::kV4);
  EXPECT_EQ(fragment.elements.at("vips"), (Map{{"10.96.0.1 . tcp . 80", "goto vip-all-2"}}));
  EXPECT_EQ(fragment.elements.at("vip-all"), (Map{{"10.96.0.1 . tcp . 80 . 0", "10.244.0.2 . 8080"},
                                                  {"10.96.0.1 . tcp . 80 . 1", "10.244.1.2 . 8080"}}));
  EXPECT_FALSE(fragment.elements.contains("vip-local"));
  EXPECT_EQ(fragment.elements.at("hairpin"), (Map{{"10.244.0.2 . 10.244.0.2", ""}}));
}

TEST(ServiceRules, NothingIsServedInAFamilyWithoutClusterIp) {
  EXPECT_EQ(plan_service(web(), node_a(), Family::kV6), Fragment());
}

TEST(ServiceRules, AServiceWithoutEndpointsIsRefused) {
  ServiceView view = web();
  view.ports[0].node_port = 30080;
  view.ports[0].endpoints.clear();
  view.client_affinity = std::chrono::seconds(60);
  const Fragment fragment = plan_service(view, node_a(), Family::kV4);
  EXPECT_EQ(fragment.elements.at("no-endpoints"), (Map{{"10.96.0.1 . tcp . 80", "goto refuse"}}));
  EXPECT_EQ(fragment.elements.at("no-endpoints-np"), (Map{{"tcp . 30080", "goto refuse"}}));
  EXPECT_FALSE(fragment.elements.contains("vips"));
  EXPECT_TRUE(fragment.chains.empty());
}

TEST(ServiceRules, EndpointsOnADeadNodeAreLeftOut) {
  NodeContext node = node_a();
  node.is_dead = [](const std::string& name) { return name == "b"; };
  const Fragment fragment = plan_service(web(), node, Family::kV4);
  EXPECT_EQ(fragment.elements.at("vip-all"), (Map{{"10.96.0.1 . tcp . 80 . 0", "10.244.0.2 . 8080"}}));
}

struct TerminatingCase {
  const char* name;
  bool ready_one;
  bool serving;
  size_t used;
};

TEST(ServiceRules, TerminatingEndpointsServeWhereNoneIsReady) {
  for (const auto& [name, ready_one, serving, used] :
       {TerminatingCase{"ready ones win", true, true, 1}, TerminatingCase{"last resort", false, true, 1},
        TerminatingCase{"nothing serves", false, false, 0}}) {
    ServiceView view = web();
    view.ports[0].endpoints = {{ip("10.244.1.9"), 8080, "b", false, serving, true}};
    if (ready_one) view.ports[0].endpoints.push_back(endpoint("10.244.1.2", "b"));
    const Fragment fragment = plan_service(view, node_a(), Family::kV4);
    const size_t count = fragment.elements.contains("vip-all") ? fragment.elements.at("vip-all").size() : 0;
    EXPECT_EQ(count, used) << name;
  }
}

TEST(ServiceRules, PolicyClusterMasqueradesWhatComesFromOutside) {
  ServiceView view = web();
  view.load_balancer_ips = {ip("192.0.2.10")};
  const Fragment fragment = plan_service(view, node_a(), Family::kV4);
  EXPECT_EQ(fragment.elements.at("vips").at("192.0.2.10 . tcp . 80"), "goto vip-ext-2");
  EXPECT_EQ(fragment.chains.at("vip-ext-2"),
            (std::vector<std::string>{"ip saddr != { 10.244.0.0/24 } meta mark set meta mark | 0x4000",
                                      "goto vip-all-2"}));
}

TEST(ServiceRules, PolicyLocalKeepsTheSourceAndUsesThisNodesEndpoints) {
  ServiceView view = web();
  view.load_balancer_ips = {ip("192.0.2.10")};
  view.external_policy = TrafficPolicy::kLocal;
  const Fragment fragment = plan_service(view, node_a(), Family::kV4);
  EXPECT_EQ(fragment.elements.at("vips").at("192.0.2.10 . tcp . 80"), "goto vip-extlocal-2-1");
  EXPECT_EQ(fragment.chains.at("vip-extlocal-2-1"),
            (std::vector<std::string>{"ip saddr { 10.244.0.0/24 } goto vip-all-2",
                                      "fib saddr type local goto vip-ext-2", "goto vip-local-1"}));
  EXPECT_EQ(fragment.elements.at("vip-local"), (Map{{"192.0.2.10 . tcp . 80 . 0", "10.244.0.2 . 8080"}}));
}

TEST(ServiceRules, PolicyLocalDropsWhereThisNodeHasNoEndpoint) {
  ServiceView view = web();
  view.load_balancer_ips = {ip("192.0.2.10")};
  view.external_policy = TrafficPolicy::kLocal;
  view.ports[0].endpoints = {endpoint("10.244.1.2", "b")};
  const Fragment fragment = plan_service(view, node_a(), Family::kV4);
  EXPECT_EQ(fragment.chains.at("vip-extlocal-1-0").back(), "drop");
}

TEST(ServiceRules, InternalPolicyLocalUsesThisNodesEndpointsAlone) {
  ServiceView view = web();
  view.internal_policy = TrafficPolicy::kLocal;
  EXPECT_EQ(plan_service(view, node_a(), Family::kV4).elements.at("vips").at("10.96.0.1 . tcp . 80"),
            "goto vip-local-1");
  view.ports[0].endpoints = {endpoint("10.244.1.2", "b")};
  EXPECT_EQ(plan_service(view, node_a(), Family::kV4).elements.at("vips").at("10.96.0.1 . tcp . 80"), "drop");
}

TEST(ServiceRules, SourceRangesGuardTheLoadBalancerAddressAlone) {
  ServiceView view = web();
  view.load_balancer_ips = {ip("192.0.2.10")};
  view.source_ranges = {cidr("198.51.100.7/24")};
  const Fragment fragment = plan_service(view, node_a(), Family::kV4);
  const std::string& verdict = fragment.elements.at("vips").at("192.0.2.10 . tcp . 80");
  ASSERT_TRUE(verdict.starts_with("goto fw-"));
  EXPECT_EQ(fragment.chains.at(verdict.substr(5)),
            (std::vector<std::string>{"ip saddr != { 198.51.100.0/24 } drop", "goto vip-ext-2"}));
  EXPECT_EQ(fragment.elements.at("vips").at("10.96.0.1 . tcp . 80"), "goto vip-all-2");
}

TEST(ServiceRules, OneServiceAmongTenThousandChangesInAFewCommands) {
  RuleTable table("ip", "t", service_table_base(Family::kV4, node_a()));
  for (int i = 0; i < 10'000; ++i) {
    ServiceView view = web();
    view.key = fmt::format("default/web-{}", i);
    view.cluster_ips = {ip("10.96.0.0").plus(static_cast<uint64_t>(i) + 10)};
    table.replace(view.key, plan_service(view, node_a(), Family::kV4));
  }
  ServiceView changed = web();
  changed.key = "default/web-0";
  changed.cluster_ips = {ip("10.96.0.10")};
  changed.ports[0].endpoints[0] = endpoint("10.244.1.3", "b");
  EXPECT_EQ(table.replace(changed.key, plan_service(changed, node_a(), Family::kV4)),
            "delete element ip t vip-all { 10.96.0.10 . tcp . 80 . 1 }\n"
            "add element ip t vip-all { 10.96.0.10 . tcp . 80 . 1 : 10.244.1.3 . 8080 }\n");
}

TEST(ServiceRules, UdpFlowsToAnEndpointThatWentAndToARefusedPortAreForgotten) {
  ServiceView view = web();
  view.ports[0].protocol = "udp";
  const Fragment two = plan_service(view, node_a(), Family::kV4);
  view.ports[0].endpoints = {endpoint("10.244.0.2", "a")};
  const Fragment one = plan_service(view, node_a(), Family::kV4);
  view.ports[0].endpoints.clear();
  const Fragment none = plan_service(view, node_a(), Family::kV4);
  EXPECT_EQ(stale_udp_flows(two, one), (std::set<StaleFlow>{{"10.96.0.1", 80, "10.244.1.2"}}));
  EXPECT_EQ(stale_udp_flows(none, one), (std::set<StaleFlow>{{"10.96.0.1", 80, ""}}));
  EXPECT_TRUE(stale_udp_flows(one, two).empty());
}

TEST(ServiceRules, TheBaseHasAChainForEachNumberOfEndpoints) {
  NodeContext node = node_a();
  node.prepared_choices = 3;
  const std::string base = service_table_base(Family::kV4, node);
  EXPECT_NE(
      base.find(
          "chain vip-all-3 {\nmeta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport "
          ". numgen random mod 3 map @vip-all\n}"),
      std::string::npos);
  EXPECT_EQ(base.find("chain vip-all-4"), std::string::npos);
  EXPECT_EQ(choices_needed(web(), node), 2u);
}

TEST(ServiceRules, LocalEndpointsAreCountedForHealthChecks) {
  EXPECT_EQ(count_local_endpoints(web(), node_a()), 1u);
  NodeContext other = node_a();
  other.node_name = "c";
  EXPECT_EQ(count_local_endpoints(web(), other), 0u);
}

}  // namespace
}  // namespace cloudless::network
