#include "network/cni.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "net/netns.hpp"
#include "network/address_store.hpp"
#include "network/cni_protocol.hpp"
#include "network/testing/lan.hpp"

namespace cloudless::network {
namespace {

namespace json = boost::json;
using testing::ask;
using testing::Lan;
using testing::Responder;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = ::testing::TempDir() + "cl-net-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

net::Prefix cidr(const std::string& text) { return net::Prefix::parse(text).value(); }

Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

// --- the wire ---

constexpr const char* kConfig =
    R"({"cniVersion":"1.0.0","name":"cloudless","type":"cloudless-cni","podCIDRs":["10.244.1.0/24"],
        "stateDir":"/tmp/x","mtu":1450,
        "runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"TCP"},
                                         {"hostPort":0,"containerPort":81}]}})";

TEST(CniProtocol, ReadsARequestFromEnvironmentAndConfiguration) {
  const auto request = parse_cni_request(
      environment(
          {{"CNI_COMMAND", "ADD"}, {"CNI_CONTAINERID", "c1"}, {"CNI_IFNAME", "eth0"}, {"CNI_NETNS", "/n"}}),
      kConfig);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->attachment, (Attachment{"c1", "eth0"}));
  EXPECT_EQ(request->config.mtu, 1450u);
  EXPECT_EQ(request->config.pod_cidrs, std::vector{cidr("10.244.1.0/24")});
  EXPECT_EQ(request->host_ports, (std::vector<HostPort>{{"tcp", 8080, 80, std::nullopt}}));
}

struct BadCase {
  std::map<std::string, std::string> environment;
  std::string input;
  CniErrorCode code;
};

TEST(CniProtocol, BadRequestsHaveTheSpecificationsCodes) {
  const std::map<std::string, std::string> good{
      {"CNI_COMMAND", "ADD"}, {"CNI_CONTAINERID", "c1"}, {"CNI_IFNAME", "eth0"}, {"CNI_NETNS", "/n"}};
  const auto with = [&good](const std::string& name, const std::string& value) {
    auto changed = good;
    changed[name] = value;
    return changed;
  };
  const std::vector<BadCase> cases{
      {with("CNI_COMMAND", "FLY"), kConfig, CniErrorCode::kInvalidEnvironment},
      {with("CNI_CONTAINERID", "../x"), kConfig, CniErrorCode::kInvalidEnvironment},
      {with("CNI_IFNAME", "a/b"), kConfig, CniErrorCode::kInvalidEnvironment},
      {with("CNI_IFNAME", "sixteen-letters-"), kConfig, CniErrorCode::kInvalidEnvironment},
      {with("CNI_NETNS", ""), kConfig, CniErrorCode::kInvalidEnvironment},
      {good, "{", CniErrorCode::kDecodingFailed},
      {good, "[]", CniErrorCode::kDecodingFailed},
      {good, R"({"cniVersion":"9.9.9"})", CniErrorCode::kIncompatibleVersion},
      {good, R"({"cniVersion":"1.0.0"})", CniErrorCode::kInvalidConfig},
      {good, R"({"cniVersion":"1.0.0","stateDir":"/x","podCIDRs":["10.0.0.0/99"]})",
       CniErrorCode::kInvalidConfig}};
  for (const BadCase& bad : cases) {
    const auto request = parse_cni_request(environment(bad.environment), bad.input);
    ASSERT_FALSE(request) << bad.input;
    EXPECT_EQ(request.error().code, bad.code) << bad.input;
  }
}

TEST(CniProtocol, AResultNamesInterfacesAddressesAndRoutes) {
  CniRequest request;
  request.version = "1.0.0";
  request.netns = "/n";
  request.attachment = {"c1", "eth0"};
  const json::value result = json::parse(format_cni_result(
      request, {"cl1", "02:00:00:00:00:01", "02:00:00:00:00:02", {cidr("10.244.1.5").address}}));
  EXPECT_EQ(result, json::parse(R"({"cniVersion":"1.0.0",
      "interfaces":[{"name":"cl1","mac":"02:00:00:00:00:01"},
                    {"name":"eth0","mac":"02:00:00:00:00:02","sandbox":"/n"}],
      "ips":[{"interface":1,"address":"10.244.1.5/32","gateway":"169.254.1.1"}],
      "routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"}],"dns":{}})"));
}

TEST(CniConfigList, IsWrittenOnceAndReadBackByTheRuntime) {
  TemporaryDirectory directory;
  CniConfig config;
  config.pod_cidrs = {cidr("10.244.1.0/24")};
  config.state_dir = "/var/lib/x";
  ASSERT_TRUE(write_cni_config_list(directory.path(), config));
  const std::string path = directory.path() + "/10-cloudless.conflist";
  const auto written = std::filesystem::last_write_time(path);
  ASSERT_TRUE(write_cni_config_list(directory.path(), config));
  EXPECT_EQ(std::filesystem::last_write_time(path), written);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

// --- addresses ---

TEST(AddressStore, GivesEachAddressOnceUntilTheRangeIsFull) {
  TemporaryDirectory directory;
  auto store = AddressStore::open(directory.path()).value();
  std::set<net::IpAddress> given;
  for (int i = 0; i < 13; ++i) {
    const auto address = store.allocate(cidr("10.1.2.0/28"), {"c" + std::to_string(i), "eth0"}, {});
    ASSERT_TRUE(address) << i;
    EXPECT_TRUE(given.insert(*address).second) << address->to_string();
  }
  EXPECT_EQ(*given.begin(), cidr("10.1.2.2").address);
  EXPECT_EQ(store.allocate(cidr("10.1.2.0/28"), {"one", "eth0"}, {}).error(),
            (Error{Code::kResourceExhausted, "no address is free in 10.1.2.0/28"}));
}

TEST(AddressStore, ReusesAnAddressAsLateAsPossible) {
  TemporaryDirectory directory;
  auto store = AddressStore::open(directory.path()).value();
  const auto first = store.allocate(cidr("10.1.2.0/24"), {"a", "eth0"}, {}).value();
  ASSERT_TRUE(store.release({"a", "eth0"}));
  EXPECT_NE(store.allocate(cidr("10.1.2.0/24"), {"b", "eth0"}, {}).value(), first);
}

TEST(AddressStore, TheSameAttachmentKeepsItsAddressAcrossProcesses) {
  TemporaryDirectory directory;
  net::IpAddress first;
  {
    auto store = AddressStore::open(directory.path()).value();
    first = store.allocate(cidr("10.1.2.0/24"), {"a", "eth0"}, {{"tcp", 80, 8080, std::nullopt}}).value();
  }
  auto store = AddressStore::open(directory.path()).value();
  EXPECT_EQ(store.allocate(cidr("10.1.2.0/24"), {"a", "eth0"}, {}).value(), first);
  const auto records = store.release({"a", "eth0"}).value();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].host_ports, (std::vector<HostPort>{{"tcp", 80, 8080, std::nullopt}}));
  EXPECT_TRUE(store.records()->empty());
}

TEST(AddressStore, ATornRecordKeepsItsAddressOutOfUse) {
  TemporaryDirectory directory;
  {
    std::ofstream(directory.path() + "/10.1.2.2") << "{\"conta";
    std::ofstream(directory.path() + "/aside") << "{\"containerID\":\"x\"}";
  }
  auto store = AddressStore::open(directory.path()).value();
  EXPECT_EQ(store.allocate(cidr("10.1.2.0/24"), {"a", "eth0"}, {}).value(), cidr("10.1.2.3").address);
}

// --- with real packets ---

class CniNetwork : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::can_use_namespaces()) GTEST_SKIP() << "needs root and nft";
    host_ = lan_.add("host");
    client_ = lan_.add("client");
    // As on a real machine, an interface precedes those of pods: a veth whose two ends have the same index
    // gets its carrier from the kernel up to a second late (net/core/link_watch.c).
    lan_.connect(host_, "lan0", "192.0.2.1/24", client_, "lan0", "192.0.2.2/24");
    lan_.sh(host_, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
  }

  json::value run(const std::string& command, const std::string& id, const std::string& netns,
                  const std::string& extra = "", int expected_status = 0) {
    std::ostringstream output;
    int status = -1;
    EXPECT_TRUE(net::run_in_netns(host_, [&]() -> Result<> {
      setenv("CNI_COMMAND", command.c_str(), 1);
      setenv("CNI_CONTAINERID", id.c_str(), 1);
      setenv("CNI_IFNAME", "eth0", 1);
      setenv("CNI_NETNS", netns.c_str(), 1);
      std::istringstream input(fmt::format(
          R"({{"cniVersion":"1.0.0","name":"cloudless","type":"cloudless-cni","mtu":1400,
               "podCIDRs":["10.244.1.0/24","fd00:10:244:1::/64"],"stateDir":"{}"{}}})",
          state_.path(), extra));
      status = run_cni_plugin(input, output);
      unsetenv("CNI_COMMAND");
      return {};
    }));
    EXPECT_EQ(status, expected_status) << output.str();
    return output.str().empty() ? json::value() : json::parse(output.str());
  }

  std::string pod(const std::string& id, const std::string& extra = "") {
    const std::string netns = lan_.add(id);
    const json::value result = run("ADD", id, netns, extra);
    for (const json::value& ip : result.at("ips").as_array()) {
      std::string address(ip.at("address").as_string());
      addresses_[id].push_back(address.substr(0, address.find('/')));
    }
    return netns;
  }

  TemporaryDirectory state_;
  Lan lan_;
  std::string host_;
  std::string client_;
  std::map<std::string, std::vector<std::string>> addresses_;
};

TEST_F(CniNetwork, PodsReachEachOtherAndTheHostReachesThemInBothFamilies) {
  const std::string a = pod("a"), b = pod("b");
  ASSERT_EQ(addresses_["a"].size(), 2u);
  Responder server(b, Responder::Transport::kTcp, 80, "b");
  EXPECT_EQ(ask(a, addresses_["b"][0], 80), "b " + addresses_["a"][0]);
  EXPECT_EQ(ask(a, addresses_["b"][1], 80), "b " + addresses_["a"][1]);
  EXPECT_EQ(ask(host_, addresses_["b"][0], 80), "b 192.0.2.1");
  EXPECT_EQ(lan_.sh(a, "ip -o link show eth0 | grep -c 'mtu 1400'"), "1");
  run("CHECK", "a", a);
}

TEST_F(CniNetwork, DeletingTwiceIsFineAndLeavesNothing) {
  const std::string a = pod("a");
  run("DEL", "a", a);
  run("DEL", "a", "");
  run("CHECK", "a", a, "", 1);
  EXPECT_EQ(lan_.sh(host_, "ip -o link | grep -vE 'LOOPBACK|lan0' | wc -l"), "0");
  EXPECT_EQ(lan_.sh(host_, "ip route | grep -v lan0 | wc -l"), "0");
  EXPECT_TRUE(AddressStore::open(state_.path())->records()->empty());
}

TEST_F(CniNetwork, AnAddThatFailsLeavesNothing) {
  const json::value error = run("ADD", "a", "/run/netns/cl-net-absent", "", 1);
  EXPECT_TRUE(error.as_object().contains("msg"));
  EXPECT_EQ(lan_.sh(host_, "ip -o link | grep -vE 'LOOPBACK|lan0' | wc -l"), "0");
  EXPECT_TRUE(AddressStore::open(state_.path())->records()->empty());
}

TEST_F(CniNetwork, AHostPortLeadsToThePodAndGoesWithIt) {
  const std::string a = pod(
      "a", R"(,"runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]})");
  Responder server(a, Responder::Transport::kTcp, 80, "a");
  EXPECT_EQ(ask(client_, "192.0.2.1", 8080), "a 192.0.2.2");
  EXPECT_EQ(ask(host_, "192.0.2.1", 8080), "a 192.0.2.1");
  EXPECT_TRUE(ask(a, "192.0.2.1", 8080).starts_with("a "));
  run("DEL", "a", a);
  EXPECT_EQ(ask(client_, "192.0.2.1", 8080), "refused");
}

TEST_F(CniNetwork, GarbageCollectionRemovesWhatIsNotValid) {
  const std::string a = pod("a"), b = pod("b");
  run("GC", "a", a, R"(,"cni.dev/valid-attachments":[{"containerID":"b","ifname":"eth0"}])");
  const auto records = AddressStore::open(state_.path())->records().value();
  for (const AddressRecord& record : records) EXPECT_EQ(record.owner.container_id, "b");
  EXPECT_EQ(records.size(), 2u);
  EXPECT_EQ(lan_.sh(host_, "ip -o link | grep -vE 'LOOPBACK|lan0' | wc -l"), "1");
}

}  // namespace
}  // namespace cloudless::network
