#include "cli/api_server_flags.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cloudless::cli {
namespace {

using apiserver::AuthorizationMode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Arguments = std::vector<std::string>;

// What kubeadm 1.35 writes into its manifest.
const Arguments kKubeadm{"--advertise-address=192.0.2.10",
                         "--allow-privileged=true",
                         "--authorization-mode=Node,RBAC",
                         "--client-ca-file=/etc/kubernetes/pki/ca.crt",
                         "--enable-admission-plugins=NodeRestriction",
                         "--enable-bootstrap-token-auth=true",
                         "--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt",
                         "--etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt",
                         "--etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key",
                         "--etcd-servers=https://127.0.0.1:2379",
                         "--kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt",
                         "--kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key",
                         "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
                         "--proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt",
                         "--proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key",
                         "--requestheader-allowed-names=front-proxy-client",
                         "--requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt",
                         "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                         "--requestheader-group-headers=X-Remote-Group",
                         "--requestheader-username-headers=X-Remote-User",
                         "--secure-port=6443",
                         "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                         "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
                         "--service-account-signing-key-file=/etc/kubernetes/pki/sa.key",
                         "--service-cluster-ip-range=10.96.0.0/12",
                         "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
                         "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key"};

Arguments kubeadm_and(std::initializer_list<std::string> more) {
  Arguments out = kKubeadm;
  out.insert(out.end(), more);
  return out;
}

std::string refusal(std::initializer_list<std::string> more) {
  const auto plan = plan_api_server(kubeadm_and(more));
  return plan ? "accepted" : plan.error().message;
}

TEST(ApiServerFlags, KubeadmsManifestIsTakenWithoutANotice) {
  const auto plan = plan_api_server(kKubeadm);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->notices, IsEmpty());
  const ApiHostOptions& host = plan->host;
  EXPECT_EQ(host.datastore.endpoint, "https://127.0.0.1:2379");
  EXPECT_EQ(host.datastore.ca_file, "/etc/kubernetes/pki/etcd/ca.crt");
  EXPECT_EQ(host.server.storage_root, "/registry");
  EXPECT_EQ(host.server.service_cidr, "10.96.0.0/12");
  EXPECT_EQ(host.server.advertise_address, "192.0.2.10");
  EXPECT_FALSE(plan->find_advertise_address);
  EXPECT_EQ(host.secure_port, 6443);
  ASSERT_EQ(host.serving.size(), 1U);
  EXPECT_EQ(host.serving.front().key, "/etc/kubernetes/pki/apiserver.key");
  EXPECT_THAT(host.authorization, ElementsAre(AuthorizationMode::kNode, AuthorizationMode::kRbac));
  EXPECT_THAT(host.admission.disabled, IsEmpty());
  EXPECT_EQ(host.admission.privileged, apiserver::admission::Privileged::kAllowed);
  EXPECT_EQ(host.anonymous, apiserver::Anonymous::kAllowed);
  EXPECT_EQ(host.bootstrap_tokens, apiserver::BootstrapTokens::kAccepted);
  EXPECT_EQ(host.front_proxy.client_ca, "/etc/kubernetes/pki/front-proxy-ca.crt");
  EXPECT_THAT(host.node_address_types, ElementsAre("InternalIP", "ExternalIP", "Hostname"));
}

TEST(ApiServerFlags, AFlagsValueMayStandBehindIt) {
  const auto plan = plan_api_server(
      kubeadm_and({"--etcd-prefix", "other", "--audit-log-path", "-", "--anonymous-auth=false", "--v", "4"}));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->host.server.storage_root, "/other");
  EXPECT_EQ(plan->host.audit.log_path, "-");
  EXPECT_EQ(plan->host.anonymous, apiserver::Anonymous::kRefused);
  EXPECT_EQ(plan->log.level, "debug");
}

TEST(ApiServerFlags, ListsAreSeparatedByCommasOrRepeated) {
  const auto plan = plan_api_server(
      kubeadm_and({"--service-account-issuer=https://old.example", "--disable-admission-plugins=LimitRanger",
                   "--disable-admission-plugins=PodSecurity,Priority"}));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->host.issuers,
              ElementsAre("https://kubernetes.default.svc.cluster.local", "https://old.example"));
  EXPECT_THAT(plan->host.admission.disabled, ElementsAre("LimitRanger", "PodSecurity", "Priority"));
}

TEST(ApiServerFlags, WhatHasNoMeaningHereIsTold) {
  const auto plan = plan_api_server(
      kubeadm_and({"--feature-gates=Foo=true", "--profiling=false", "--watch-cache",
                   "--runtime-config=api/all=true", "--enable-admission-plugins=EventRateLimit"}));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->notices,
              ElementsAre("admission plugin EventRateLimit does not exist here and has no effect",
                          "--feature-gates has no effect here", "--profiling has no effect here",
                          "--watch-cache has no effect here", "--runtime-config has no effect here"));
}

TEST(ApiServerFlags, WithoutAModeEverythingIsAllowedToThoseWhoSayWhoTheyAre) {
  const auto plan =
      plan_api_server(Arguments{"--etcd-servers=http://a:2379,http://b:2379", "--service-account-issuer=x",
                                "--service-account-key-file=k", "--service-account-signing-key-file=k"});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->host.datastore.endpoint, "http://a:2379,http://b:2379");
  EXPECT_THAT(plan->host.authorization, ElementsAre(AuthorizationMode::kAlwaysAllow));
  EXPECT_EQ(plan->host.anonymous, apiserver::Anonymous::kRefused);
  EXPECT_THAT(plan->host.admission.disabled, ElementsAre("NodeRestriction"));
  EXPECT_EQ(plan->host.admission.privileged, apiserver::admission::Privileged::kRefused);
  EXPECT_TRUE(plan->find_advertise_address);
}

TEST(ApiServerFlags, WhatDoesNotFitIsRefusedInUpstreamsWords) {
  EXPECT_EQ(refusal({"--bogus=1"}), "unknown flag: --bogus");
  EXPECT_EQ(refusal({"--etcd-prefix"}), "flag needs an argument: --etcd-prefix");
  EXPECT_EQ(
      refusal({"--secure-port=x"}),
      R"(invalid argument "x" for "--secure-port" flag: strconv.ParseInt: parsing "x": invalid syntax)");
  EXPECT_EQ(
      refusal({"--anonymous-auth=perhaps"}),
      R"(invalid argument "perhaps" for "--anonymous-auth" flag: strconv.ParseBool: parsing "perhaps": invalid syntax)");
  EXPECT_THAT(refusal({"--secure-port=0"}), HasSubstr("must be between 1 and 65535"));
  EXPECT_THAT(refusal({"--authorization-mode=Nobody"}), HasSubstr(R"("Nobody" is not a valid mode)"));
  EXPECT_THAT(refusal({"--authorization-mode=RBAC,RBAC"}), HasSubstr("more than once"));
  EXPECT_THAT(refusal({"--authorization-mode=Webhook"}), HasSubstr("not supported"));
  EXPECT_THAT(refusal({"--oidc-issuer-url=https://x"}), HasSubstr("not supported"));
  EXPECT_EQ(refusal({"--enable-admission-plugins=Nonsense"}),
            R"(enable-admission-plugins plugin "Nonsense" is unknown)");
  EXPECT_THAT(refusal({"--enable-admission-plugins=Priority", "--disable-admission-plugins=Priority"}),
              HasSubstr("overlapped"));
  EXPECT_THAT(refusal({"--service-cluster-ip-range=10.0.0.0/8,10.1.0.0/16"}),
              HasSubstr("one of each family"));
  EXPECT_THAT(refusal({"--service-node-port-range=5-1"}), HasSubstr("not a range"));
  EXPECT_THAT(refusal({"--etcd-servers=127.0.0.1"}), HasSubstr("http://HOST:PORT"));
  EXPECT_THAT(refusal({"--bind-address=here"}), HasSubstr("is not an IP address"));
  EXPECT_THAT(refusal({"--tls-private-key-file="}), HasSubstr("must be specified together"));
  EXPECT_EQ(plan_api_server(Arguments{}).error().message, "--etcd-servers must be specified");
}

TEST(ApiServerFlags, RequestsAtOnceHaveLimits) {
  const auto plan = plan_api_server(kubeadm_and({"--max-requests-inflight=7"}));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->host.server.in_flight.reading, 7);
  EXPECT_EQ(plan->host.server.in_flight.mutating, 200);
  EXPECT_EQ(refusal({"--max-mutating-requests-inflight=-1"}),
            "--max-mutating-requests-inflight can not be negative value");
}

TEST(ApiServerFlags, AdmissionIsConfiguredByAFile) {
  const auto plan = plan_api_server(kubeadm_and({"--admission-control-config-file=/etc/admission.yaml"}));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->host.admission_config_file, "/etc/admission.yaml");
}

TEST(ApiServerFlags, NodePortsAreARangeAnOffsetOrOne) {
  const auto range = [](const std::string& text) {
    const auto plan = plan_api_server(kubeadm_and({"--service-node-port-range=" + text}));
    return plan ? std::pair(plan->host.server.first_node_port, plan->host.server.last_node_port)
                : std::pair<uint16_t, uint16_t>();
  };
  EXPECT_EQ(range("30000-32767"), std::pair(uint16_t{30000}, uint16_t{32767}));
  EXPECT_EQ(range("40000+9"), std::pair(uint16_t{40000}, uint16_t{40009}));
  EXPECT_EQ(range("31000"), std::pair(uint16_t{31000}, uint16_t{31000}));
}

TEST(ApiServerFlags, HelpNamesWhatHasAnEffect) {
  EXPECT_THAT(api_server_help(), AllOf(HasSubstr("--etcd-servers"), HasSubstr("--audit-policy-file"),
                                       Not(HasSubstr("--feature-gates"))));
}

}  // namespace
}  // namespace cloudless::cli
