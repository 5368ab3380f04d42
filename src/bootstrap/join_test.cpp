#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/files.hpp"
#include "bootstrap/cluster_info.hpp"
#include "bootstrap/cluster_objects.hpp"
#include "bootstrap/documents.hpp"
#include "bootstrap/kubeconfig.hpp"
#include "bootstrap/node_certificates.hpp"
#include "bootstrap/preflight.hpp"
#include "bootstrap/reset.hpp"
#include "bootstrap/static_pods.hpp"
#include "bootstrap/testing.hpp"
#include "bootstrap/token.hpp"
#include "client/kubeconfig.hpp"

namespace cloudless::bootstrap {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

const WallTime kNow = parse_rfc3339("2026-11-22T12:00:00Z").value();

TEST(Token, IsMadeAndReadBack) {
  SeededRandom random(1);
  const auto token = BootstrapTokenId::generate(random);
  EXPECT_TRUE(BootstrapTokenId::parse(token.text()));
  for (const char* bad :
       {"", "abcdef", "abcdef.0123456789abcde", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcdef0"})
    EXPECT_FALSE(BootstrapTokenId::parse(bad)) << bad;
}

TEST(Token, SurvivesTheWayThroughItsSecret) {
  BootstrapTokenSpec spec{.token = {"abcdef", "0123456789abcdef"}, .description = "d", .expires = kNow + 1h};
  const auto secret = to_secret(spec).value();
  EXPECT_EQ(secret.metadata.name, "bootstrap-token-abcdef");
  EXPECT_EQ(secret.type, "bootstrap.kubernetes.io/token");
  const auto again = from_secret(secret).value();
  EXPECT_EQ(again.token.text(), "abcdef.0123456789abcdef");
  EXPECT_THAT(again.usages, ElementsAre("authentication", "signing"));
  EXPECT_EQ(again.expires, spec.expires);
  spec.usages = {"flying"};
  EXPECT_FALSE(to_secret(spec));
  spec.usages = {};
  spec.groups = {"system:masters"};
  EXPECT_FALSE(to_secret(spec));
}

TEST(Token, TableIsKubeadms) {
  BootstrapTokenSpec spec{.token = {"abcdef", "0123456789abcdef"}, .expires = kNow + 23h};
  EXPECT_EQ(token_table({spec}, kNow),
            "TOKEN                     TTL   EXPIRES                USAGES                   DESCRIPTION   "
            "EXTRA GROUPS\n"
            "abcdef.0123456789abcdef   23h   2026-11-23T11:00:00Z   signing,authentication   <none>        "
            "system:bootstrappers:kubeadm:default-node-token\n");
}

class ClusterInfoTest : public ::testing::Test {
 protected:
  ClusterInfoTest()
      : ca_(pki::make_ca(pki::KeyType::kEcdsaP256, "kubernetes", kNow, 24h).value()),
        info_(sign_cluster_info(make_cluster_info("https://192.0.2.1:6443", ca_.certificate.to_pem()),
                                {token_}, kNow)) {}

  BootstrapTokenSpec token_{.token = {"abcdef", "0123456789abcdef"}};
  pki::Ca ca_;
  api::core::v1::ConfigMap info_;
};

TEST_F(ClusterInfoTest, IsTrustedByTokenAndPin) {
  const auto found = verify_cluster_info(info_, token_.token, {ca_.certificate.public_key_pin()}).value();
  EXPECT_EQ(found.server, "https://192.0.2.1:6443");
  EXPECT_EQ(found.ca, ca_.certificate.to_pem());
  EXPECT_TRUE(verify_cluster_info(info_, token_.token, {}));
}

TEST_F(ClusterInfoTest, IsRefusedWithAnotherTokenPinOrText) {
  EXPECT_THAT(
      verify_cluster_info(info_, {"zzzzzz", "0123456789abcdef"}, {}).error().message,
      HasSubstr("could not find a JWS signature in the cluster-info ConfigMap for token ID \"zzzzzz\""));
  EXPECT_FALSE(verify_cluster_info(info_, {"abcdef", "0123456789abcdee"}, {}));
  EXPECT_THAT(verify_cluster_info(info_, token_.token, {"sha256:" + std::string(64, '0')}).error().message,
              HasSubstr("pinned"));
  info_.data["kubeconfig"] += " ";
  EXPECT_FALSE(verify_cluster_info(info_, token_.token, {}));
}

TEST_F(ClusterInfoTest, CarriesSignaturesOfLiveSigningTokensAlone) {
  BootstrapTokenSpec old{.token = {"oldold", "0123456789abcdef"}, .expires = kNow};
  BootstrapTokenSpec other{.token = {"others", "0123456789abcdef"}, .usages = {"authentication"}};
  const auto signed_again = sign_cluster_info(info_, {old, other, token_}, kNow);
  EXPECT_EQ(signed_again, info_);
  EXPECT_EQ(sign_cluster_info(info_, {}, kNow).data.size(), 1u);
}

TEST(Kubeconfig, IsMadeOnceAndRenewedInTime) {
  const TemporaryFolder folder;
  const WallTime now = SystemClock().wall_now();
  const auto ca = pki::make_ca(pki::KeyType::kEcdsaP256, "kubernetes", now, 24h * 3650).value();
  KubeconfigOptions options{.directory = folder.path(), .server = "https://192.0.2.1:6443"};
  const auto specs = kubeconfig_specs("box");
  for (const auto& spec : specs) EXPECT_TRUE(ensure_kubeconfig(options, spec, ca, now).value()) << spec.file;
  const auto config = client::load_kubeconfig(folder.file("admin.conf")).value();
  EXPECT_EQ(config.server, options.server);
  EXPECT_EQ(config.ca, ca.certificate.to_pem());
  const auto certificate = pki::Certificate::from_pem(config.client_certificate).value();
  EXPECT_EQ(certificate.subject(), (pki::Subject{"kubernetes-admin", {"kubeadm:cluster-admins"}}));
  EXPECT_TRUE(pki::verify(certificate, {}, {ca.certificate}, {now, "client auth"}));
  EXPECT_FALSE(ensure_kubeconfig(options, specs[0], ca, now).value());
  EXPECT_TRUE(ensure_kubeconfig(options, specs[0], ca, now + kCertificateLifetime * 7 / 10).value());
  const auto other = pki::make_ca(pki::KeyType::kEcdsaP256, "kubernetes", now, 24h * 3650).value();
  EXPECT_TRUE(ensure_kubeconfig(options, specs[1], other, now).value());
  struct stat status{};
  ASSERT_EQ(stat(folder.file("admin.conf").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(NodeCertificate, IsStoredBehindALinkAndKnownByItsTime) {
  const TemporaryFolder folder;
  const auto ca = pki::make_ca(pki::KeyType::kEcdsaP256, "kubernetes", kNow, 24h * 100).value();
  const auto key = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value();
  const auto wanted = node_client_request("box");
  const auto csr = pki::CertificateRequest::make(key, wanted.subject, wanted.alt_names).value();
  const std::string pem = pki::sign_csr(ca, csr, wanted.usages, kNow, 24h * 30)->to_pem() + key.to_pem();
  EXPECT_FALSE(load_node_certificate(folder.path(), "kubelet-client", kNow));
  ASSERT_TRUE(store_node_certificate(folder.path(), "kubelet-client", pem, kNow));
  ASSERT_TRUE(store_node_certificate(folder.path(), "kubelet-client", pem, kNow + 1h));
  EXPECT_TRUE(std::filesystem::exists(folder.file("kubelet-client-2026-11-22-12-00-00.pem")));
  const auto loaded = load_node_certificate(folder.path(), "kubelet-client", kNow);
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->needs_renewal(kNow + 24h * 19));
  EXPECT_TRUE(loaded->needs_renewal(kNow + 24h * 21));
  EXPECT_FALSE(load_node_certificate(folder.path(), "kubelet-client", kNow + 24h * 31));
}

TEST(Preflight, SpeaksAsKubeadmDoes) {
  MachineFacts facts{.is_root = false,
                     .memory_mb = 100,
                     .has_swap = true,
                     .ports_in_use = {10250},
                     .missing_programs = {"runc"}};
  auto findings =
      check_preflight(init_needs({.api_port = 6443, .store_dir = "/var/lib/cloudless/db"}), facts);
  EXPECT_EQ(preflight_result(findings).error().message,
            "[preflight] Some fatal errors occurred:\n"
            "\t[ERROR IsPrivilegedUser]: user is not running as root\n"
            "\t[ERROR Mem]: the system RAM (100 MB) is less than the minimum 400 MB\n"
            "\t[ERROR Port-10250]: Port 10250 is in use\n"
            "\t[ERROR FileExisting-runc]: runc not found in system path\n"
            "[preflight] If you know what you are doing, you can make a check non-fatal with "
            "`--ignore-preflight-errors=...`");
  ignore_findings(findings, {"mem"});
  EXPECT_THAT(preflight_result(findings).error().message, ::testing::Not(HasSubstr("Mem")));
  EXPECT_EQ(preflight_warnings(findings).size(), 2u);
  ignore_findings(findings, {"all"});
  EXPECT_TRUE(preflight_result(findings));
}

TEST(Preflight, FilesAndFoldersAreNamedByTheirPaths) {
  MachineFacts facts{.is_root = true, .existing_files = {"/etc/kubernetes/kubelet.conf"}};
  EXPECT_THAT(
      preflight_result(check_preflight(join_needs({}), facts)).error().message,
      HasSubstr(
          "[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists"));
}

TEST(Preflight, LooksAtThisMachine) {
  const MachineFacts facts =
      gather_facts({.absent_files = {"/proc/self/stat"}, .programs = {"sh", "no-such-program"}});
  EXPECT_GT(facts.memory_mb, 0u);
  EXPECT_TRUE(facts.existing_files.contains("/proc/self/stat"));
  EXPECT_EQ(facts.missing_programs, std::set<std::string>{"no-such-program"});
}

TEST(Reset, StopsPodsBeforeItUnmountsAndRemoves) {
  const auto steps = plan_reset({.state_directories = {"/var/lib/cloudless"}}, {});
  EXPECT_EQ(steps.front().path, "/etc/kubernetes/manifests");
  EXPECT_EQ(steps[1].kind, ResetStep::Kind::kUnmountBelow);
  EXPECT_EQ(steps.back().path, "/var/lib/cloudless");
}

std::map<std::string, api::core::v1::Pod> pods_of(const kubeadm::ClusterConfiguration& cluster) {
  std::map<std::string, api::core::v1::Pod> pods;
  for (auto& [file, pod] :
       control_plane_pods({.image = "cloudless:v1", .advertise_address = "192.0.2.1"}, cluster))
    pods[file] = pod;
  return pods;
}

TEST(StaticPods, AreThisProgramOnTheHostsNetwork) {
  const auto pods = pods_of({});
  ASSERT_EQ(pods.size(), 3u);
  for (const auto& [file, pod] : pods) {
    EXPECT_TRUE(pod.spec.hostNetwork) << file;
    EXPECT_EQ(file, pod.metadata.name + ".yaml");
    EXPECT_EQ(pod.spec.containers.at(0).command.at(0), "/cloudless");
    EXPECT_THAT(manifest_of(pod), HasSubstr("image: cloudless:v1"));
  }
}

TEST(StaticPods, OpenTheStoreOfTheHostUnlessItIsElsewhere) {
  EXPECT_THAT(pods_of({})["kube-apiserver.yaml"].spec.containers[0].command,
              ::testing::Contains("--datastore-endpoint=sqlite:///var/lib/cloudless/db/state.db"));
  kubeadm::ClusterConfiguration cluster;
  cluster.etcd.external.emplace().endpoints = {"https://192.0.2.7:2379", "https://192.0.2.8:2379"};
  cluster.etcd.external->caFile = "/etc/etcd/ca.crt";
  EXPECT_THAT(pods_of(cluster)["kube-apiserver.yaml"].spec.containers[0].command,
              ::testing::IsSupersetOf({"--etcd-servers=https://192.0.2.7:2379,https://192.0.2.8:2379",
                                       "--etcd-cafile=/etc/etcd/ca.crt"}));
}

TEST(StaticPods, TakeTheUsersArgumentsInThePlaceOfOurs) {
  kubeadm::ClusterConfiguration cluster;
  cluster.apiServer.extraArgs = {{"authorization-mode", "RBAC"}, {"audit-log-path", "-"}};
  cluster.scheduler.extraVolumes.emplace_back().name = "mine";
  auto pods = pods_of(cluster);
  const auto& command = pods["kube-apiserver.yaml"].spec.containers[0].command;
  EXPECT_THAT(command, ::testing::IsSupersetOf({"--authorization-mode=RBAC", "--audit-log-path=-"}));
  EXPECT_THAT(command, ::testing::Not(::testing::Contains("--authorization-mode=Node,RBAC")));
  EXPECT_EQ(pods["kube-scheduler.yaml"].spec.volumes.back().name, "mine");
}

TEST(ClusterObjects, LetTokensAskForCertificates) {
  std::vector<std::string> names;
  for (const auto& object : join_objects()) names.push_back(object.name);
  EXPECT_THAT(names,
              ::testing::IsSupersetOf({"kubeadm:kubelet-bootstrap", "kubeadm:node-autoapprove-bootstrap",
                                       "kubeadm:bootstrap-signer-clusterinfo", "kubeadm:kubelet-config"}));
  EXPECT_THAT(admin_objects().at(0).json, HasSubstr("\"kind\":\"ClusterRoleBinding\""));
}

}  // namespace
}  // namespace cloudless::bootstrap
