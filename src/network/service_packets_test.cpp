// The tables of service_rules.hpp with real packets: a node with two pods of its own, a second node's pod
// behind a router, and a client outside the cluster.
//
//   client 192.0.2.2 --- 192.0.2.1 node 10.244.0.1 --- a 10.244.0.2, b 10.244.0.3      (node's pod CIDR
//   .0/24)
//                              node 198.51.100.1 --- 198.51.100.2 far 10.244.1.2        (another node's pod)
#include <gtest/gtest.h>

#include <set>

#include "net/netns.hpp"
#include "network/command.hpp"
#include "network/service_rules.hpp"
#include "network/testing/lan.hpp"

namespace cloudless::network {
namespace {

using testing::ask;
using testing::Lan;
using testing::Responder;

constexpr const char* kVip = "10.96.0.1";
constexpr const char* kLoadBalancer = "192.0.2.200";
constexpr const char* kNodeAddress = "192.0.2.1";
constexpr uint16_t kNodePort = 30080;

class ServicePackets : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::can_use_namespaces()) GTEST_SKIP() << "needs root and nft";
    client_ = lan_.add("client");
    node_ = lan_.add("node");
    far_ = lan_.add("far");
    lan_.sh(node_, "sysctl -qw net.ipv4.ip_forward=1");
    lan_.connect(node_, "lan0", "192.0.2.1/24", client_, "lan0", "192.0.2.2/24");
    lan_.connect(node_, "lan1", "198.51.100.1/24", far_, "lan0", "198.51.100.2/24");
    lan_.sh(far_, "ip addr add 10.244.1.2/32 dev lo && ip route add default via 198.51.100.1");
    lan_.sh(node_, "ip route add 10.244.1.2/32 via 198.51.100.2");
    lan_.sh(node_, "ip route add 10.96.0.0/12 dev lo src 192.0.2.1");
    lan_.sh(client_, "ip route add 192.0.2.200/32 via 192.0.2.1 && ip route add 10.96.0.0/12 via 192.0.2.1");
    a_ = pod("a", "10.244.0.2");
    b_ = pod("b", "10.244.0.3");
    context_.node_name = "node";
    context_.pod_cidrs = {net::Prefix::parse("10.244.0.0/24").value()};
    context_.cluster_cidrs = {net::Prefix::parse("10.244.0.0/16").value()};
    context_.service_cidrs = {net::Prefix::parse("10.96.0.0/12").value()};
    view_.key = "default/web";
    view_.cluster_ips = {address(kVip)};
    view_.load_balancer_ips = {address(kLoadBalancer)};
    view_.ports = {{"http", "tcp", 80, kNodePort, {}}};
  }

  static net::IpAddress address(const std::string& text) { return net::IpAddress::parse(text).value(); }

  std::string pod(const std::string& name, const std::string& ip) {
    std::string netns = lan_.add(name);
    lan_.connect(node_, "veth" + name, "", netns, "eth0", ip + "/32");
    lan_.sh(netns, "ip route add 10.244.0.1 dev eth0 && ip route add default via 10.244.0.1");
    lan_.sh(node_,
            fmt::format("ip addr replace 10.244.0.1/32 dev lo && ip route add {}/32 dev veth{}", ip, name));
    return netns;
  }

  void endpoints(const std::vector<std::pair<std::string, std::string>>& addresses) {
    view_.ports[0].endpoints.clear();
    for (const auto& [ip, node] : addresses)
      view_.ports[0].endpoints.push_back({address(ip), 8080, node, true, true, false});
  }

  // The first call replaces the table, later ones change it.
  void apply() {
    std::string script = table_ ? table_->replace(view_.key, plan_service(view_, context_, Family::kV4)) : "";
    if (!table_) {
      table_.emplace("ip", "cl-net-test", service_table_base(Family::kV4, context_));
      table_->replace(view_.key, plan_service(view_, context_, Family::kV4));
      script = table_->full_script();
    }
    const auto applied = net::run_in_netns(node_, [&] { return run_nft(script); });
    ASSERT_TRUE(applied) << applied.error().message << "\n" << script;
  }

  std::set<std::string> ask_often(const std::string& netns, const std::string& ip, uint16_t port) {
    std::set<std::string> answers;
    for (int i = 0; i < 30; ++i) answers.insert(ask(netns, ip, port));
    return answers;
  }

  using Answers = std::set<std::string>;
  Lan lan_;
  std::string client_, node_, far_, a_, b_;
  NodeContext context_;
  ServiceView view_;
  std::optional<RuleTable> table_;
};

TEST_F(ServicePackets, AClusterIpReachesEveryEndpointFromPodsAndFromTheNode) {
  Responder a(a_, Responder::Transport::kTcp, 8080, "a"), far(far_, Responder::Transport::kTcp, 8080, "far");
  endpoints({{"10.244.0.2", "node"}, {"10.244.1.2", "far"}});
  apply();
  EXPECT_EQ(ask_often(b_, kVip, 80), (Answers{"a 10.244.0.3", "far 10.244.0.3"}));
  EXPECT_EQ(ask_often(node_, kVip, 80), (Answers{"a 192.0.2.1", "far 192.0.2.1"}));
}

TEST_F(ServicePackets, APodReachesItselfThroughItsService) {
  Responder a(a_, Responder::Transport::kTcp, 8080, "a");
  endpoints({{"10.244.0.2", "node"}});
  apply();
  EXPECT_TRUE(ask(a_, kVip, 80).starts_with("a "));
}

TEST_F(ServicePackets, PolicyClusterSendsClientsAnywhereWithTheNodesAddress) {
  Responder a(a_, Responder::Transport::kTcp, 8080, "a"), far(far_, Responder::Transport::kTcp, 8080, "far");
  endpoints({{"10.244.0.2", "node"}, {"10.244.1.2", "far"}});
  apply();
  for (const auto& [ip, port] :
       {std::pair(kLoadBalancer, uint16_t{80}), std::pair(kNodeAddress, kNodePort)}) {
    const Answers answers = ask_often(client_, ip, port);
    EXPECT_EQ(answers.size(), 2u) << ip;
    EXPECT_TRUE(answers.contains("far 198.51.100.1")) << ip;
    EXPECT_FALSE(answers.contains("a 192.0.2.2")) << ip;
  }
}

TEST_F(ServicePackets, PolicyLocalKeepsTheClientsAddressAndStaysOnTheNode) {
  Responder a(a_, Responder::Transport::kTcp, 8080, "a"), far(far_, Responder::Transport::kTcp, 8080, "far");
  view_.external_policy = TrafficPolicy::kLocal;
  endpoints({{"10.244.0.2", "node"}, {"10.244.1.2", "far"}});
  apply();
  EXPECT_EQ(ask_often(client_, kLoadBalancer, 80), (Answers{"a 192.0.2.2"}));
  EXPECT_EQ(ask_often(client_, kNodeAddress, kNodePort), (Answers{"a 192.0.2.2"}));
  // Pods of this node use every endpoint, through the load balancer's address too.
  EXPECT_EQ(ask_often(b_, kLoadBalancer, 80), (Answers{"a 10.244.0.3", "far 10.244.0.3"}));
  endpoints({{"10.244.1.2", "far"}});
  apply();
  EXPECT_EQ(ask(client_, kLoadBalancer, 80), "timeout");
}

TEST_F(ServicePackets, WithoutEndpointsConnectionsAreRefusedAtOnce) {
  endpoints({});
  apply();
  EXPECT_EQ(ask(a_, kVip, 80), "refused");
  EXPECT_EQ(ask(node_, kVip, 80), "refused");
  EXPECT_EQ(ask(client_, kLoadBalancer, 80), "refused");
  EXPECT_EQ(ask(client_, kNodeAddress, kNodePort), "refused");
  Responder a(a_, Responder::Transport::kTcp, 8080, "a");
  endpoints({{"10.244.0.2", "node"}});
  apply();
  EXPECT_EQ(ask(client_, kLoadBalancer, 80).substr(0, 2), "a ");
  EXPECT_EQ(ask(client_, kLoadBalancer, 81), "refused");
  EXPECT_EQ(ask(a_, kVip, 81), "refused");
}

TEST_F(ServicePackets, AMachineOutsideTheClusterMayRouteClusterIpsHere) {
  Responder far(far_, Responder::Transport::kTcp, 8080, "far");
  endpoints({{"10.244.1.2", "far"}});
  apply();
  EXPECT_EQ(ask(client_, kVip, 80), "far 198.51.100.1");
}

TEST_F(ServicePackets, ClientAffinityHoldsWhileEndpointsComeAndGo) {
  Responder a(a_, Responder::Transport::kTcp, 8080, "a"), b(b_, Responder::Transport::kTcp, 8080, "b");
  view_.client_affinity = std::chrono::seconds(60);
  endpoints({{"10.244.0.2", "node"}, {"10.244.0.3", "node"}});
  apply();
  const Answers first = ask_often(client_, kLoadBalancer, 80);
  ASSERT_EQ(first.size(), 1u);
  endpoints({{"10.244.0.2", "node"}, {"10.244.0.3", "node"}, {"10.244.1.2", "far"}});
  apply();
  EXPECT_EQ(ask_often(client_, kLoadBalancer, 80), first);
  const bool was_a = first.begin()->starts_with("a ");
  endpoints({{was_a ? "10.244.0.3" : "10.244.0.2", "node"}});
  apply();
  EXPECT_TRUE(ask(client_, kLoadBalancer, 80).starts_with(was_a ? "b " : "a "));
}

TEST_F(ServicePackets, SourceRangesKeepOthersOut) {
  Responder a(a_, Responder::Transport::kTcp, 8080, "a");
  endpoints({{"10.244.0.2", "node"}});
  view_.source_ranges = {net::Prefix::parse("203.0.113.0/24").value()};
  apply();
  EXPECT_EQ(ask(client_, kLoadBalancer, 80), "timeout");
  view_.source_ranges.push_back(net::Prefix::parse("192.0.2.0/24").value());
  apply();
  EXPECT_TRUE(ask(client_, kLoadBalancer, 80).starts_with("a "));
}

TEST_F(ServicePackets, DatagramsAreServedAsConnectionsAre) {
  Responder a(a_, Responder::Transport::kUdp, 8080, "a");
  view_.ports[0].protocol = "udp";
  endpoints({{"10.244.0.2", "node"}});
  apply();
  EXPECT_EQ(ask(b_, kVip, 80, Responder::Transport::kUdp), "a 10.244.0.3");
  EXPECT_TRUE(ask(client_, kLoadBalancer, 80, Responder::Transport::kUdp).starts_with("a "));
}

TEST_F(ServicePackets, ARemovedServiceLeavesNoElement) {
  endpoints({{"10.244.0.2", "node"}});
  view_.client_affinity = std::chrono::seconds(60);
  apply();
  view_.client_affinity.reset();
  apply();
  view_.ports.clear();
  apply();
  EXPECT_EQ(lan_.sh(node_, "nft list ruleset | grep -cE 'elements|chain (aff|ep|fw|vip-ext|np-ext)' || true"),
            "0");
}

}  // namespace
}  // namespace cloudless::network
