// The shells of the network, Network and ServiceProxy, each in a node's network namespace and with an API of
// its own, proved by packets.
//
//   VXLAN:  pod 10.244.1.5 -- one 198.51.100.1 -- router -- 203.0.113.2 two -- pod 10.244.2.5
//           The router knows nothing of pods.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <thread>

#include "base/strings.hpp"
#include "client/informers.hpp"
#include "client/testing/fake_api.hpp"
#include "gossip/membership.hpp"
#include "net/in_process.hpp"
#include "net/netns.hpp"
#include "network/network.hpp"
#include "network/service_proxy.hpp"
#include "network/testing/lan.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::network {
namespace {

namespace json = boost::json;
using runtime::Task;
using testing::ask;
using testing::Lan;
using testing::Responder;

constexpr int kTries = 500;
constexpr std::chrono::milliseconds kBetween{20};

net::Prefix prefix(const std::string& text) { return net::Prefix::parse(text).value(); }

json::object node_object(const std::string& name, const std::string& pod_cidr, const std::string& ip) {
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", {{"name", name}}},
          {"spec", {{"podCIDR", pod_cidr}, {"podCIDRs", {pod_cidr}}}},
          {"status", {{"addresses", {{{"type", "InternalIP"}, {"address", ip}}}}}}};
}

// What runs on a node. Its threads begin in the node's namespace and stay there.
class TestNode {
 public:
  TestNode(const std::string& netns, std::string name) : name_(std::move(name)), membership_(name_) {
    std::string path = "/tmp/cl-net-node-XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    dir_ = path;
    const auto made = net::run_in_netns(netns, [this]() -> Result<> {
      threads_ = std::make_unique<Threads>();
      return {};
    });
    EXPECT_TRUE(made.has_value());
    api_ = std::make_unique<client::testing::FakeApi>(loop(), 1);
    transport_ = std::make_unique<net::InProcessTransport>(loop(), api_->handler(), "test",
                                                           std::vector<std::string>(), Logger());
    client_ = std::make_unique<client::Client>(*transport_);
    informers_ = std::make_unique<client::Informers>(*client_, loop(), random_, Logger());
  }
  ~TestNode() {
    if (network_) run(network_->stop());
    if (proxy_) run(proxy_->stop());
    run(informers_->stop());
    run(transport_->stop());
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  void put(const std::string& collection, json::object object) {
    run([](client::testing::FakeApi& api, std::string where, json::object what) -> Task<void> {
      api.put(where, std::move(what));
      co_return;
    }(*api_, collection, std::move(object)));
  }

  void start_network() {
    NetworkOptions options;
    options.node_name = name_;
    options.cluster_cidrs = {prefix("10.244.0.0/16")};
    options.service_cidrs = {prefix("10.96.0.0/12")};
    options.cni_config_dir = dir_ + "/cni/net.d";
    options.cni_bin_dir = dir_ + "/cni/bin";
    options.state_dir = dir_ + "/network";
    network_ = std::make_unique<Network>(options, *informers_, nullptr, loop(), threads_->workers, Logger());
    const auto started = run(network_->start());
    ASSERT_TRUE(started) << started.error().message;
  }
  void start_proxy() {
    ServiceProxyOptions options;
    options.node_name = name_;
    options.cluster_cidrs = {prefix("10.244.0.0/16"), prefix("fd00:244::/56")};
    options.service_cidrs = {prefix("10.96.0.0/12"), prefix("fd00:96::/112")};
    proxy_ = std::make_unique<ServiceProxy>(options, *informers_, membership_, loop(), threads_->workers,
                                            Logger());
    const auto started = run(proxy_->start());
    ASSERT_TRUE(started) << started.error().message;
  }

 private:
  struct Threads {
    runtime::LoopThread loop{"net-test-loop"};
    runtime::WorkerPool workers{"net-test-pool", 2, 100};
  };
  runtime::EventLoop& loop() { return threads_->loop.loop(); }
  template <class T>
  T run(Task<T> task) {
    return runtime::run_blocking(loop(), std::move(task));
  }

  const std::string name_;
  std::string dir_;
  SystemRandom random_;
  gossip::PublishedMembership membership_;
  std::unique_ptr<Threads> threads_;
  std::unique_ptr<client::testing::FakeApi> api_;
  std::unique_ptr<net::InProcessTransport> transport_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<client::Informers> informers_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<ServiceProxy> proxy_;
};

// The last of what `question` answered: `wanted` once that has come true.
std::string await_answer(const std::function<std::string()>& question, const std::string& wanted) {
  std::string last;
  for (int i = 0; i < kTries && last != wanted; ++i) {
    if (i > 0) std::this_thread::sleep_for(kBetween);
    last = question();
  }
  return last;
}

class NodePackets : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::can_use_namespaces()) GTEST_SKIP() << "needs root and nft";
  }

  std::string pod(const std::string& node, const std::string& name, const std::string& ip) {
    std::string netns = lan_.add(name);
    lan_.connect(node, "veth" + name, "", netns, "eth0", ip + "/32");
    lan_.sh(netns, "ip route add 169.254.1.1 dev eth0 && ip route add default via 169.254.1.1");
    lan_.sh(node, fmt::format("ip addr add 169.254.1.1/32 dev veth{0} && ip route add {1}/32 dev veth{0}",
                              name, ip));
    return netns;
  }

  Lan lan_;
};

TEST_F(NodePackets, PodsReachEachOtherThroughVxlanAcrossANetworkThatKnowsNothingOfThem) {
  const std::string one = lan_.add("one"), router = lan_.add("router"), two = lan_.add("two");
  lan_.sh(router, "sysctl -qw net.ipv4.ip_forward=1");
  lan_.connect(one, "lan0", "198.51.100.1/24", router, "lan0", "198.51.100.254/24");
  lan_.connect(two, "lan0", "203.0.113.2/24", router, "lan1", "203.0.113.254/24");
  lan_.sh(one, "ip route add default via 198.51.100.254");
  lan_.sh(two, "ip route add default via 203.0.113.254");
  const std::string a = pod(one, "a", "10.244.1.5"), b = pod(two, "b", "10.244.2.5");
  TestNode first(one, "one"), second(two, "two");
  for (TestNode* node : {&first, &second}) {
    node->put("nodes", node_object("one", "10.244.1.0/24", "198.51.100.1"));
    node->put("nodes", node_object("two", "10.244.2.0/24", "203.0.113.2"));
    node->start_network();
  }
  Responder tcp(b, Responder::Transport::kTcp, 8080, "b");
  Responder udp(b, Responder::Transport::kUdp, 8080, "b");
  // With the pod's own address: nothing is translated between pods.
  EXPECT_EQ(await_answer([&] { return ask(a, "10.244.2.5", 8080); }, "b 10.244.1.5"), "b 10.244.1.5");
  EXPECT_EQ(ask(a, "10.244.2.5", 8080, Responder::Transport::kUdp), "b 10.244.1.5");
  EXPECT_NE(lan_.sh(one, "ip route get 10.244.2.5").find("dev cloudless-vx"), std::string::npos);
  // Whole packets fit: what VXLAN adds is taken off the tunnel's MTU.
  EXPECT_EQ(lan_.status(a, "ping -q -c 1 -W 2 -s 1400 -M do 10.244.2.5"), 0);
}

TEST_F(NodePackets, PodsOfNodesOnOneLinkReachEachOtherByPlainRoutes) {
  const std::string one = lan_.add("one"), two = lan_.add("two");
  lan_.connect(one, "lan0", "198.51.100.1/24", two, "lan0", "198.51.100.2/24");
  const std::string a = pod(one, "a", "10.244.1.5"), b = pod(two, "b", "10.244.2.5");
  TestNode first(one, "one"), second(two, "two");
  for (TestNode* node : {&first, &second}) {
    node->put("nodes", node_object("one", "10.244.1.0/24", "198.51.100.1"));
    node->put("nodes", node_object("two", "10.244.2.0/24", "198.51.100.2"));
    node->start_network();
  }
  Responder tcp(b, Responder::Transport::kTcp, 8080, "b");
  EXPECT_EQ(await_answer([&] { return ask(a, "10.244.2.5", 8080); }, "b 10.244.1.5"), "b 10.244.1.5");
  EXPECT_NE(lan_.sh(one, "ip route get 10.244.2.5").find("via 198.51.100.2"), std::string::npos);
}

json::object service_object() {
  return {
      {"apiVersion", "v1"},
      {"kind", "Service"},
      {"metadata", {{"namespace", "default"}, {"name", "web"}}},
      {"spec",
       {{"type", "LoadBalancer"},
        {"clusterIP", "10.96.0.1"},
        {"clusterIPs", {"10.96.0.1", "fd00:96::1"}},
        {"externalTrafficPolicy", "Local"},
        {"healthCheckNodePort", 32001},
        {"ports", {{{"name", "http"}, {"protocol", "TCP"}, {"port", 80}, {"nodePort", 30080}}}}}},
      {"status", {{"loadBalancer", {{"ingress", {{{"ip", "192.0.2.200"}}, {{"ip", "2001:db8::200"}}}}}}}}};
}

json::object slice_object(const std::string& type, const std::string& address, const std::string& node) {
  return {{"apiVersion", "discovery.k8s.io/v1"},
          {"kind", "EndpointSlice"},
          {"metadata",
           {{"namespace", "default"},
            {"name", "web-" + to_lower(type)},
            {"labels", {{"kubernetes.io/service-name", "web"}}}}},
          {"addressType", type},
          {"endpoints", {{{"addresses", {address}}, {"nodeName", node}, {"conditions", {{"ready", true}}}}}},
          {"ports", {{{"name", "http"}, {"protocol", "TCP"}, {"port", 8080}}}}};
}

TEST_F(NodePackets, AServiceIsServedInBothFamiliesAndItsHealthPortSaysWhetherThisNodeServesIt) {
  const std::string node = lan_.add("node"), outside = lan_.add("client");
  lan_.sh(node, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  lan_.connect(node, "lan0", "192.0.2.1/24", outside, "lan0", "192.0.2.2/24");
  lan_.sh(node, "ip addr add 2001:db8::1/64 dev lan0 nodad && ip route add fd00:96::/112 dev lo");
  lan_.sh(outside,
          "ip addr add 2001:db8::2/64 dev lan0 nodad && ip route add 192.0.2.200/32 via 192.0.2.1 && "
          "ip route add 2001:db8::200/128 via 2001:db8::1");
  const std::string a = pod(node, "a", "10.244.0.2");
  lan_.sh(a,
          "ip addr add fd00:244::2/128 dev eth0 nodad && ip route add fe80::1 dev eth0 && "
          "ip -6 route add default via fe80::1 dev eth0");
  lan_.sh(node, "ip addr add fe80::1/64 dev vetha nodad && ip route add fd00:244::2/128 dev vetha");
  TestNode shell(node, "node");
  json::object self = node_object("node", "10.244.0.0/24", "192.0.2.1");
  self["spec"].as_object()["podCIDRs"] = {"10.244.0.0/24", "fd00:244::/64"};
  shell.put("nodes", self);
  shell.put("services", service_object());
  shell.put("endpointslices.discovery.k8s.io", slice_object("IPv4", "10.244.0.2", "node"));
  shell.put("endpointslices.discovery.k8s.io", slice_object("IPv6", "fd00:244::2", "node"));
  shell.start_proxy();
  Responder responder(a, Responder::Transport::kTcp, 8080, "a");

  EXPECT_EQ(await_answer([&] { return ask(outside, "192.0.2.200", 80); }, "a 192.0.2.2"), "a 192.0.2.2");
  EXPECT_EQ(ask(outside, "2001:db8::200", 80), "a 2001:db8::2");
  EXPECT_EQ(ask(outside, "192.0.2.1", 30080), "a 192.0.2.2");
  EXPECT_EQ(ask(outside, "2001:db8::1", 30080), "a 2001:db8::2");
  EXPECT_EQ(ask(node, "fd00:96::1", 80).substr(0, 2), "a ");

  const auto health = [&](const std::string& host) {
    return lan_.sh(
        outside,
        fmt::format("curl -s -g --max-time 2 -w ' %{{http_code}}' 'http://{}:32001/' || true", host));
  };
  const std::string healthy = health("192.0.2.1");
  EXPECT_TRUE(healthy.ends_with(" 200")) << healthy;
  EXPECT_NE(healthy.find(R"("localEndpoints":2)"), std::string::npos) << healthy;
  EXPECT_EQ(health("[2001:db8::1]"), healthy);
  shell.put("endpointslices.discovery.k8s.io", slice_object("IPv4", "10.244.7.2", "elsewhere"));
  shell.put("endpointslices.discovery.k8s.io", slice_object("IPv6", "fd00:244:7::2", "elsewhere"));
  const auto status = [&] {
    const std::string text = health("192.0.2.1");
    return text.substr(text.rfind(' ') + 1);
  };
  EXPECT_EQ(await_answer(status, "503"), "503");
}

}  // namespace
}  // namespace cloudless::network
