#include "cli/control_plane_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.hpp"
#include "bootstrap/documents.hpp"
#include "bootstrap/node_certificates.hpp"
#include "bootstrap/testing.hpp"
#include "cli/cluster_facts.hpp"
#include "client/kubeconfig.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::cli {
namespace {

using namespace std::chrono_literals;
using bootstrap::testing::TemporaryFolder;
using ::testing::ElementsAre;

constexpr auto kDay = 24h;

class ControlPlaneFilesTest : public ::testing::Test {
 protected:
  ControlPlaneFilesTest() {
    layout_.data_dir = folder_.file("data");
    layout_.kubernetes_dir = folder_.file("kubernetes");
    bootstrap::apply_defaults(configuration_.cluster);
    bootstrap::apply_defaults(configuration_.init, "box", "192.0.2.1");
    files_ = control_plane_files(layout_, configuration_).value();
  }

  pki::Certificate certificate(const std::string& name) const {
    return pki::Certificate::from_pem(read_file(layout_.pki_dir() + "/" + name).value()).value();
  }
  pki::Certificate kubeconfig_certificate(const std::string& name) const {
    const auto config = client::load_kubeconfig(layout_.kubernetes_dir + "/" + name).value();
    return pki::Certificate::from_pem(config.client_certificate).value();
  }

  TemporaryFolder folder_;
  runtime::ManualClock clock_;
  NodeLayout layout_;
  ControlPlaneConfiguration configuration_;
  ControlPlaneFiles files_;
};

// Two years of daily looks: nothing ever gets near its end, and what is fresh is left alone.
TEST_F(ControlPlaneFilesTest, NoLeafEverExpiresWhileSomebodyLooksNowAndThen) {
  EXPECT_TRUE(ensure_files(files_, clock_.wall_now()).value());
  EXPECT_FALSE(ensure_files(files_, clock_.wall_now()).value());
  const std::string ca = certificate("ca.crt").serial();
  int renewals = 0;
  for (int days = 0; days < 2 * 365; days += 5) {
    clock_.advance(5 * kDay);
    if (ensure_files(files_, clock_.wall_now()).value()) ++renewals;
    for (const char* name : {"apiserver.crt", "apiserver-kubelet-client.crt", "front-proxy-client.crt"})
      ASSERT_GT(certificate(name).not_after(), clock_.wall_now() + 100 * kDay) << name << " after " << days;
    for (const char* name : {"admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"})
      ASSERT_GT(kubeconfig_certificate(name).not_after(), clock_.wall_now() + 100 * kDay) << name;
  }
  EXPECT_EQ(renewals, 2);
  EXPECT_EQ(certificate("ca.crt").serial(), ca);
}

TEST_F(ControlPlaneFilesTest, TheFirstNodeNeedsNoToken) {
  ASSERT_TRUE(ensure_files(files_, clock_.wall_now()));
  ASSERT_TRUE(ensure_node_credentials(layout_.node_files(), files_, clock_.wall_now()));
  const auto node =
      bootstrap::load_node_certificate(layout_.node_files().cert_dir, "kubelet-client", clock_.wall_now());
  ASSERT_TRUE(node);
  EXPECT_EQ(node->certificate.subject().common_name, "system:node:box");
  EXPECT_THAT(node->certificate.subject().organizations, ElementsAre("system:nodes"));
  const auto config = client::load_kubeconfig(layout_.node_files().kubeconfig).value();
  EXPECT_EQ(config.server, "https://192.0.2.1:6443");
  EXPECT_FALSE(node->needs_renewal(clock_.wall_now()));
  EXPECT_TRUE(node->needs_renewal(clock_.wall_now() + 300 * kDay));
}

TEST_F(ControlPlaneFilesTest, AreFoundAgainByWhatInitHasLeft) {
  EXPECT_FALSE(find_control_plane_files(layout_).value());
  configuration_.cluster.apiServer.certSANs = {"api.home.example"};
  ASSERT_TRUE(write_file(layout_.control_plane(), encode_configuration(configuration_), 0600));
  const auto found = find_control_plane_files(layout_).value();
  ASSERT_TRUE(found);
  EXPECT_THAT(found->pki.extra_sans, ElementsAre("api.home.example"));
  EXPECT_EQ(found->node_name, "box");
}

TEST(ControlPlaneEndpoint, MayBeNamedWithOrWithoutAPort) {
  ControlPlaneConfiguration configuration;
  configuration.init.localAPIEndpoint.advertiseAddress = "2001:db8::1";
  configuration.init.localAPIEndpoint.bindPort = 6443;
  EXPECT_EQ(configuration.endpoint(), "[2001:db8::1]:6443");
  configuration.cluster.controlPlaneEndpoint = "api.example";
  EXPECT_EQ(configuration.endpoint(), "api.example:6443");
  configuration.cluster.controlPlaneEndpoint = "api.example:443";
  EXPECT_EQ(configuration.endpoint(), "api.example:443");
  configuration.cluster.controlPlaneEndpoint = "[2001:db8::2]:443";
  EXPECT_EQ(configuration.endpoint(), "[2001:db8::2]:443");
}

TEST(ClusterFacts, ComeBackFromTheirFile) {
  const ClusterFacts facts{.pod_cidrs = parse_subnets("10.244.0.0/16,fd00::/48").value(),
                           .service_cidrs = parse_subnets("10.96.0.0/12").value(),
                           .domain = "cluster.local",
                           .gossip_secret = std::string("\0\1\2", 3)};
  EXPECT_EQ(decode_facts(encode_facts(facts)).value(), facts);
  for (const char* damaged : {"", "{", "{}", R"({"podSubnet":"x"})"})
    EXPECT_FALSE(decode_facts(damaged)) << damaged;
}

TEST(KubeletConfiguration, IsFollowedAndWhatIsNotFollowedIsNamed) {
  NodeAgentOptions agent;
  const auto unused = apply_kubelet_configuration(R"(apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
staticPodPath: /srv/manifests
clusterDNS: [10.7.0.10]
maxPods: 30
registerWithTaints: [{key: a, value: b, effect: NoExecute}]
evictionHard: {memory.available: 100Mi}
)",
                                                  agent)
                          .value();
  EXPECT_EQ(agent.manifest_dir, "/srv/manifests");
  EXPECT_EQ(agent.cluster_dns.to_string(), "10.7.0.10");
  EXPECT_EQ(agent.max_pods, 30);
  EXPECT_THAT(agent.register_with_taints, ElementsAre("a=b:NoExecute"));
  EXPECT_THAT(unused, ElementsAre("evictionHard"));
  EXPECT_FALSE(apply_kubelet_configuration("maxPods: many", agent));
}

}  // namespace
}  // namespace cloudless::cli
