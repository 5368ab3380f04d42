#include "bootstrap/documents.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cloudless::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string error_of(std::string_view text) {
  const auto read = read_documents(text, "f.yaml");
  return read ? "" : read.error().message;
}

TEST(Documents, AreReadTogetherAndOthersAreHandedBack) {
  const auto read = read_documents(R"(# a cluster
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: abcdef.0123456789abcdef
  ttl: 1h0m0s
nodeRegistration:
  name: box
  taints: []
localAPIEndpoint:
  advertiseAddress: 192.0.2.1
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking:
  podSubnet: 10.1.0.0/16
apiServer:
  certSANs: [api.example.com]
  extraArgs:
  - name: v
    value: "2"
---
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 50
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
)",
                                   "f.yaml");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->init->nodeRegistration.name, "box");
  EXPECT_TRUE(read->has_taints);
  EXPECT_EQ(read->init->bootstrapTokens.at(0).ttl, "1h0m0s");
  EXPECT_EQ(read->cluster->networking.podSubnet, "10.1.0.0/16");
  EXPECT_THAT(read->cluster->apiServer.certSANs, ElementsAre("api.example.com"));
  EXPECT_EQ(read->cluster->apiServer.extraArgs.at(0).value, "2");
  EXPECT_THAT(read->kubelet.value(), HasSubstr("\"maxPods\":50"));
  ASSERT_EQ(read->further.size(), 1u);
  EXPECT_EQ(read->further[0].line, 28u);
  EXPECT_THAT(read->further[0].json, HasSubstr("\"shop\""));
}

TEST(Documents, UnknownFieldsAreRefusedWithTheirLine) {
  EXPECT_EQ(
      error_of(
          "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nnetworking:\n  podSubnets: x\n"),
      "f.yaml:4: unknown field \"networking.podSubnets\" in ClusterConfiguration (kubeadm.k8s.io/v1beta4)");
  EXPECT_THAT(error_of("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n---\n"
                       "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\nnodeName: x\n"),
              HasSubstr("f.yaml:6: unknown field \"nodeName\""));
}

TEST(Documents, WhatIsNotOneIsRefusedByLineAndReason) {
  EXPECT_THAT(error_of("apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\n"),
              HasSubstr("kubeadm config migrate"));
  EXPECT_THAT(error_of("apiVersion: kubeadm.k8s.io/v1beta4\nkind: Nothing\n"), HasSubstr("f.yaml:2: "));
  EXPECT_THAT(error_of("kind: x\n"), HasSubstr("apiVersion and kind are mandatory"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("f.yaml:1: "));
  EXPECT_THAT(error_of("a: [\n"), HasSubstr("f.yaml:1: "));
  EXPECT_THAT(error_of("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n---\n"
                       "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"),
              HasSubstr("f.yaml:4: a second ClusterConfiguration"));
  EXPECT_THAT(error_of("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nnetworking: 7\n"),
              HasSubstr("ClusterConfiguration"));
  EXPECT_EQ(error_of(""), "");
}

TEST(Documents, DefaultsAreKubeadms) {
  kubeadm::ClusterConfiguration cluster;
  apply_defaults(cluster);
  EXPECT_EQ(cluster.networking.serviceSubnet, "10.96.0.0/12");
  EXPECT_EQ(cluster.clusterName, "kubernetes");
  EXPECT_TRUE(validate(cluster));
  kubeadm::InitConfiguration init;
  init.bootstrapTokens.emplace_back().token = "abcdef.0123456789abcdef";
  apply_defaults(init, "Box", "192.0.2.1");
  EXPECT_EQ(init.nodeRegistration.name, "box");
  EXPECT_EQ(init.localAPIEndpoint.bindPort, 6443);
  EXPECT_EQ(init.bootstrapTokens[0].ttl, "24h0m0s");
  EXPECT_TRUE(validate(init));
}

TEST(Documents, RulesNameTheField) {
  kubeadm::ClusterConfiguration cluster;
  cluster.networking.podSubnet = "10.1";
  apply_defaults(cluster);
  EXPECT_THAT(validate(cluster).error().message, HasSubstr("networking.podSubnet"));
  kubeadm::JoinConfiguration join;
  EXPECT_THAT(validate(join).error().message, HasSubstr("bootstrapToken or file must be set"));
  auto& discovery = join.discovery.bootstrapToken.emplace();
  discovery.token = "abcdef.0123456789abcdef";
  discovery.apiServerEndpoint = "192.0.2.1:6443";
  EXPECT_THAT(validate(join).error().message, HasSubstr("caCertHashes can be unsafe"));
  discovery.caCertHashes = {"sha256:12"};
  EXPECT_THAT(validate(join).error().message, HasSubstr("caCertHashes"));
  discovery.caCertHashes = {"sha256:" + std::string(64, 'a')};
  EXPECT_TRUE(validate(join));
}

}  // namespace
}  // namespace cloudless::bootstrap
