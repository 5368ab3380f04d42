#include "cli/init_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cluster_bootstrap.hpp"
#include "cli/control_plane_node.hpp"
#include "cli/join_plan.hpp"
#include "cli/kubelet_flags.hpp"

namespace cloudless::cli {
namespace {

namespace kubeadm = api::kubeadm::v1beta4;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;

const WallTime kNow = parse_rfc3339("2026-11-22T12:00:00Z").value();
const MachineIdentity kMachine{"Box", "192.0.2.1"};

Result<InitPlan> plan(InitFlags flags, std::string_view text = {}) {
  SeededRandom random(1);
  auto documents = bootstrap::read_documents(text, "init.yaml");
  if (!documents) return std::unexpected(documents.error());
  return plan_init(std::move(flags), std::move(*documents), kMachine, random, kNow);
}

TEST(InitPlan, WithoutFlagsIsKubeadmsDefault) {
  const auto made = plan({}).value();
  EXPECT_EQ(made.configuration.endpoint(), "192.0.2.1:6443");
  EXPECT_EQ(made.configuration.cluster.networking.podSubnet, "10.244.0.0/16");
  EXPECT_EQ(made.node.node_name, "box");
  EXPECT_EQ(made.layout.pki_dir(), "/etc/kubernetes/pki");
  EXPECT_EQ(control_plane_pod_options(made.layout, made.configuration).store_dir, "/var/lib/cloudless/db");
  EXPECT_TRUE(made.certificate_key.empty());
  ASSERT_EQ(made.tokens.size(), 1u);
  EXPECT_EQ(made.tokens[0].expires, kNow + std::chrono::hours(24));
  EXPECT_THAT(made.kubelet_arguments, IsSupersetOf({"--hostname-override=box", "--node-ip=192.0.2.1",
                                                    "--register-with-taints=node-role.kubernetes.io/"
                                                    "control-plane=:NoSchedule"}));
  EXPECT_THAT(made.kubelet_configuration, HasSubstr(R"("clusterDNS":["10.96.0.10"])"));
}

TEST(InitPlan, TakesDocumentsAndLetsFlagsCountMore) {
  InitFlags flags;
  flags.pod_cidr = "10.9.0.0/16";
  flags.token = "abcdef.0123456789abcdef";
  const auto made = plan(flags, R"(
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration:
  name: first
  taints: []
  kubeletExtraArgs: [{name: node-labels, value: "a=b,c=d"}]
localAPIEndpoint: {advertiseAddress: 192.0.2.7, bindPort: 7443}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
controlPlaneEndpoint: api.home.example
networking: {podSubnet: 10.8.0.0/16, serviceSubnet: 10.7.0.0/16, dnsDomain: home}
etcd: {external: {endpoints: [https://192.0.2.9:2379]}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 30
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
)")
                        .value();
  EXPECT_EQ(made.configuration.endpoint(), "api.home.example:7443");
  EXPECT_EQ(made.configuration.cluster.networking.podSubnet, "10.9.0.0/16");
  EXPECT_EQ(made.tokens[0].token.text(), "abcdef.0123456789abcdef");
  EXPECT_THAT(made.kubelet_arguments, Contains("--node-labels=a=b,c=d"));
  EXPECT_THAT(made.kubelet_arguments, Not(Contains(HasSubstr("taints"))));
  EXPECT_THAT(made.kubelet_configuration, HasSubstr(R"("maxPods":30)"));
  EXPECT_THAT(made.kubelet_configuration, HasSubstr(R"("clusterDNS":["10.7.0.10"])"));
  EXPECT_TRUE(made.preflight.store_dir.empty());
  ASSERT_EQ(made.further.size(), 1u);
}

TEST(InitPlan, LeavesFlagsThatRunTheSameNodeAgain) {
  InitFlags flags;
  flags.node.data_dir = "/srv/box";
  flags.node.dns_listen = {"192.0.2.1:53"};
  flags.node.node_labels = {"disk=fast"};
  flags.layout.kubernetes_dir = "/srv/box/kubernetes";
  const auto made = plan(flags).value();
  const auto text = encode_flags_file(made.kubelet_arguments).value();
  const auto again = parse_kubelet_flags(decode_flags_file(text)).value();
  EXPECT_EQ(again.layout.data_dir, "/srv/box");
  EXPECT_EQ(again.layout.kubernetes_dir, "/srv/box/kubernetes");
  EXPECT_EQ(again.layout.pki_dir(), "/srv/box/kubernetes/pki");
  const auto agent = again.node.agent_options().value();
  EXPECT_EQ(agent.node_name, "box");
  EXPECT_EQ(agent.node_labels.at("disk"), "fast");
  EXPECT_EQ(agent.dns_listen.at(0).to_string(), "192.0.2.1:53");
}

TEST(KubeletFlags, AreParsedAsThePrograms) {
  const auto flags = parse_kubelet_flags({"--node_ip=192.0.2.5", "--detach", "--node-labels", "a=b,c=d",
                                          "--v=4", "--max-pods=30", "--fail-swap-on=false"})
                         .value();
  EXPECT_EQ(flags.node.node_ip, "192.0.2.5");
  EXPECT_TRUE(flags.node.detach);
  EXPECT_THAT(flags.node.node_labels, ::testing::ElementsAre("a=b", "c=d"));
  EXPECT_THAT(flags.ineffective, ::testing::ElementsAre("max-pods", "fail-swap-on"));
  EXPECT_THAT(parse_kubelet_flags({"--no-such-flag"}).error().message,
              HasSubstr("unknown flag: --no-such-flag"));
  EXPECT_THAT(parse_kubelet_flags({"--port=70000"}).error().message, HasSubstr("between 0 and 65535"));
  EXPECT_THAT(parse_kubelet_flags({"--port"}).error().message, HasSubstr("flag needs an argument: --port"));
}

TEST(InitPlan, RefusesWhatCannotBe) {
  InitFlags overlapping;
  overlapping.pod_cidr = "10.96.0.0/16";
  EXPECT_THAT(plan(overlapping).error().message, HasSubstr("overlap"));
  InitFlags token;
  token.token = "no-token";
  EXPECT_THAT(plan(token).error().message, HasSubstr("bootstrapTokens[0].token"));
  EXPECT_FALSE(encode_flags_file({"--node-labels=a b"}));
}

TEST(InitMessage, TellsHowToUseTheClusterAndHowOthersJoin) {
  auto made = plan({}).value();
  made.tokens[0].token = {"abcdef", "0123456789abcdef"};
  const std::string text = init_message(made, "sha256:12", {});
  EXPECT_THAT(text, HasSubstr("Your Kubernetes control-plane has initialized successfully!"));
  EXPECT_THAT(text, HasSubstr("cloudless join 192.0.2.1:6443 --token abcdef.0123456789abcdef \\\n"
                              "\t--discovery-token-ca-cert-hash sha256:12"));
  EXPECT_THAT(init_message(made, "sha256:12", {.token = true}), Not(HasSubstr("0123456789abcdef")));
}

TEST(ControlPlaneMark, KeepsOtherTaintsAndLabelsForLoadBalancersOnlyWithTaints) {
  kubeadm::Taint ours;
  ours.key = "node-role.kubernetes.io/control-plane";
  ours.effect = "NoSchedule";
  kubeadm::Taint other;
  other.key = "node.kubernetes.io/not-ready";
  other.effect = "NoSchedule";
  const std::string tainted = control_plane_mark({ours}, {ours, other});
  EXPECT_THAT(tainted, HasSubstr("exclude-from-external-load-balancers"));
  EXPECT_THAT(tainted, HasSubstr("not-ready"));
  const std::string plain = control_plane_mark({}, {other});
  EXPECT_THAT(plain, HasSubstr(R"("node-role.kubernetes.io/control-plane":"")"));
  EXPECT_THAT(plain, Not(HasSubstr("exclude")));
  EXPECT_THAT(plain, Not(HasSubstr("taints")));
}

TEST(JoinPlan, TakesTheDocumentOrTheFlags) {
  JoinFlags flags;
  flags.server = "192.0.2.1:6443";
  flags.token = "abcdef.0123456789abcdef";
  flags.ca_pins = {"sha256:" + std::string(64, 'a')};
  const auto by_flags = plan_join(flags, {}, kMachine, Credentials::kNeeded).value();
  EXPECT_EQ(by_flags.server, "192.0.2.1:6443");
  EXPECT_EQ(by_flags.bootstrap_token, flags.token);
  EXPECT_THAT(by_flags.kubelet_arguments, Contains("--hostname-override=box"));
  const auto documents = bootstrap::read_documents(R"(
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration: {name: second, taints: [{key: k, value: v, effect: NoSchedule}]}
discovery: {file: {kubeConfigPath: /root/cluster-info.conf}, tlsBootstrapToken: abcdef.0123456789abcdef, timeout: 1m}
)",
                                                   "join.yaml")
                             .value();
  const auto by_file = plan_join({}, documents, kMachine, Credentials::kNeeded).value();
  EXPECT_EQ(by_file.discovery_file, "/root/cluster-info.conf");
  EXPECT_EQ(by_file.bootstrap_token, "abcdef.0123456789abcdef");
  EXPECT_EQ(by_file.discovery_limit, std::chrono::minutes(1));
  EXPECT_THAT(by_file.kubelet_arguments,
              IsSupersetOf({"--hostname-override=second", "--register-with-taints=k=v:NoSchedule"}));
}

TEST(InitPlan, UploadsCertificatesWhereItIsAskedTo) {
  InitFlags flags;
  flags.upload_certs = true;
  flags.control_plane_endpoint = "api.home.example";
  flags.datastore_endpoint = "https://192.0.2.9:2379";
  const auto made = plan(flags).value();
  ASSERT_EQ(made.certificate_key.size(), 64u);
  const std::string text = init_message(made, "sha256:12", {});
  EXPECT_THAT(text, HasSubstr("--control-plane --certificate-key " + made.certificate_key));
  EXPECT_THAT(init_message(made, "sha256:12", {.certificate_key = true}),
              Not(HasSubstr(made.certificate_key)));
  flags.certificate_key = "short";
  EXPECT_EQ(plan(flags).error().code, Code::kInvalid);
}

TEST(JoinPlan, OfAControlPlaneNodeHasItsOwnAddressAndTaint) {
  JoinFlags flags;
  flags.server = "192.0.2.7:6443";
  flags.token = "abcdef.0123456789abcdef";
  flags.skip_ca_verification = true;
  flags.control_plane = true;
  flags.certificate_key = std::string(64, 'c');
  flags.layout.certificates_dir = "/srv/pki";
  const auto made = plan_join(flags, {}, kMachine, Credentials::kNeeded).value();
  ASSERT_TRUE(made.control_plane);
  EXPECT_EQ(made.control_plane->init.localAPIEndpoint.advertiseAddress, "192.0.2.1");
  EXPECT_EQ(made.control_plane->init.localAPIEndpoint.bindPort, 6443);
  EXPECT_EQ(made.control_plane->init.nodeRegistration.name, "box");
  EXPECT_THAT(made.kubelet_arguments,
              IsSupersetOf({"--register-with-taints=node-role.kubernetes.io/control-plane=:NoSchedule",
                            "--certificates-dir=/srv/pki"}));
  flags.control_plane = false;
  EXPECT_THAT(plan_join(flags, {}, kMachine, Credentials::kNeeded).error().message,
              HasSubstr("--control-plane"));
  const auto documents = bootstrap::read_documents(R"(
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration: {taints: []}
controlPlane: {certificateKey: short, localAPIEndpoint: {advertiseAddress: 192.0.2.3}}
discovery: {bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: "api:6443", unsafeSkipCAVerification: true}}
)",
                                                   "join.yaml")
                             .value();
  EXPECT_THAT(plan_join({}, documents, kMachine, Credentials::kNeeded).error().message,
              HasSubstr("certificateKey"));
}

TEST(JoinPlan, AsksForATokenOnlyWhereItIsNeeded) {
  EXPECT_FALSE(plan_join({}, {}, kMachine, Credentials::kNeeded));
  EXPECT_TRUE(plan_join({}, {}, kMachine, Credentials::kAtHand));
}

}  // namespace
}  // namespace cloudless::cli
