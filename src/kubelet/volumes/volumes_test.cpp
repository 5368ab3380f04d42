#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/files.hpp"
#include "kubelet/pod/pod_config.hpp"
#include "kubelet/pod/resources.hpp"
#include "kubelet/testing/pods.hpp"
#include "kubelet/volumes/atomic_writer.hpp"
#include "kubelet/volumes/payload.hpp"

namespace cloudless::kubelet {
namespace {

namespace fs = std::filesystem;
using testing::make_container;
using testing::make_pod;

TEST(Environment, VariablesAreExpandedAsUpstreamDoes) {
  const std::map<std::string, std::string> values{{"A", "1"}, {"B", "two"}};
  EXPECT_EQ(expand_variables("$(A)-$(B)", values), "1-two");
  EXPECT_EQ(expand_variables("$$(A) $(NONE) $A $( $", values), "$(A) $(NONE) $A $( $");
  EXPECT_EQ(expand_variables("$$$(A)", values), "$1");
}

TEST(Environment, SourcesAreResolvedInOrderAndMissingOnesNamed) {
  core::Pod pod = make_pod("p", {make_container("c", "i")});
  core::Container& container = pod.spec.containers[0];
  container.envFrom.emplace_back().configMapRef.emplace().name = "all";
  container.env.resize(2);
  container.env[0].name = "X";
  container.env[0].value = "$(FROM)!";
  container.env[1].name = "KEY";
  auto& ref = container.env[1].valueFrom.emplace().secretKeyRef.emplace();
  ref.name = "s";
  ref.key = "k";
  NamedObjects objects;
  EXPECT_EQ(make_environment(pod, container, objects, {}, {}).error().message, "configmap \"all\" not found");
  objects.config_maps["all"].data["FROM"] = "map";
  EXPECT_EQ(make_environment(pod, container, objects, {}, {}).error().message, "secret \"s\" not found");
  objects.secrets["s"];
  EXPECT_EQ(make_environment(pod, container, objects, {}, {}).error().message,
            "couldn't find key k in Secret default/s");
  objects.secrets["s"].data["k"] = "v";
  const Environment expected{{"SVC", "1"}, {"FROM", "map"}, {"X", "map!"}, {"KEY", "v"}};
  EXPECT_EQ(make_environment(pod, container, objects, {{"SVC", "1"}}, {}).value(), expected);
}

TEST(PodDns, ClusterFirstAsksTheClusterAndKeepsTheHostsDomains) {
  const Options options;
  const cri::DnsConfig host =
      parse_resolv_conf("# x\nnameserver 192.0.2.53\nsearch lan home\noptions edns0\n");
  core::Pod pod = make_pod("p", {});
  const cri::DnsConfig dns = pod_dns(pod, options, host);
  EXPECT_EQ(dns.servers, std::vector<std::string>{"10.96.0.10"});
  EXPECT_EQ(dns.searches, (std::vector<std::string>{"default.svc.cluster.local", "svc.cluster.local",
                                                    "cluster.local", "lan", "home"}));
  EXPECT_EQ(dns.options, std::vector<std::string>{"ndots:5"});
  pod.spec.dnsPolicy = "Default";
  EXPECT_EQ(pod_dns(pod, options, host), host);
  pod.spec.dnsPolicy = "None";
  pod.spec.dnsConfig.emplace().nameservers = {"192.0.2.1"};
  EXPECT_EQ(pod_dns(pod, options, host).servers, std::vector<std::string>{"192.0.2.1"});
}

TEST(Resources, BecomeSharesQuotaAndCgroups) {
  EXPECT_EQ(cpu_shares_of_milli(0), 2);
  EXPECT_EQ(cpu_shares_of_milli(500), 512);
  EXPECT_EQ(cpu_quota_of_milli(250), 25'000);
  EXPECT_EQ(cpu_quota_of_milli(1), 1000);
  core::Pod pod = make_pod("p", {make_container("c", "i")});
  EXPECT_EQ(pod_cgroup_parent(pod, CgroupDriver::kCgroupfs, "/"), "/kubepods/besteffort/poduid-p");
  EXPECT_EQ(pod_cgroup_parent(pod, CgroupDriver::kSystemd, "/"),
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-poduid_p.slice");
}

TEST(Payload, MissingKeysAndPathsOutsideAreRefused) {
  const core::Pod pod = make_pod("p", {});
  core::Volume volume;
  volume.configMap.emplace().name = "m";
  EXPECT_EQ(make_payload(pod, volume, {}, {}).error().message, "configmap \"m\" not found");
  VolumeObjects objects;
  objects.named.config_maps["m"].data["k"] = "v";
  EXPECT_EQ(make_payload(pod, volume, objects, {}).value().at("k").content, "v");
  core::KeyToPath& item = volume.configMap->items.emplace_back();
  item.key = "other";
  item.path = "x";
  EXPECT_EQ(make_payload(pod, volume, objects, {}).error().message,
            "references non-existent config key: other");
  item.key = "k";
  item.path = "../escape";
  EXPECT_EQ(make_payload(pod, volume, objects, {}).error().code, Code::kInvalid);
}

TEST(AtomicWriter, ReplacesAllFilesAtOnceAndRewritesOnlyWhatChanged) {
  std::string dir = "/tmp/cl-kubelet-writer-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  const WallTime now{std::chrono::seconds(1'790'000'000)};
  EXPECT_TRUE(write_payload(dir, {{"a", {"1"}}, {"sub/b", {"2"}}}, std::nullopt, now).value());
  EXPECT_EQ(read_file(dir + "/a").value(), "1");
  EXPECT_EQ(read_file(dir + "/sub/b").value(), "2");
  const fs::path version = fs::read_symlink(dir + "/..data");
  EXPECT_FALSE(write_payload(dir, {{"a", {"1"}}, {"sub/b", {"2"}}}, std::nullopt, now).value());
  EXPECT_TRUE(write_payload(dir, {{"a", {"3"}}}, std::nullopt, now + std::chrono::seconds(1)).value());
  EXPECT_EQ(read_file(dir + "/a").value(), "3");
  EXPECT_FALSE(fs::exists(dir + "/sub"));
  EXPECT_FALSE(fs::exists(dir / version));
  fs::remove_all(dir);
}

}  // namespace
}  // namespace cloudless::kubelet
