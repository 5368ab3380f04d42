#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/admission/certificates.hpp"
#include "apiserver/admission/chain.hpp"
#include "apiserver/admission/limit_ranger.hpp"
#include "apiserver/admission/node_restriction.hpp"
#include "apiserver/admission/pod_security.hpp"
#include "apiserver/admission/resource_quota.hpp"
#include "apiserver/admission/small_plugins.hpp"
#include "apiserver/admission/testing.hpp"
#include "base/encoding.hpp"
#include "pki/certificate.hpp"

namespace cloudless::apiserver::admission {
namespace {

using testing::Call;
using ::testing::HasSubstr;
using testing::parse;

class LimitsTest : public ::testing::Test {
 protected:
  ApiResult<> run(AdmissionPlugin& plugin, Call& call) { return testing::run(simulation_, plugin, call); }
  std::string error_of(AdmissionPlugin& plugin, Call& call) {
    const auto result = run(plugin, call);
    return result ? "" : result.error().message;
  }
  static Call pod(std::string_view spec, std::string_view name = "p") {
    Call call;
    call.object = parse(fmt::format(R"({{"metadata":{{"name":"{}","namespace":"shop"}}}})", name));
    call.object["spec"] = parse(spec);
    return call;
  }
  void put_namespace(std::string_view labels) {
    objects_.put({"", "namespaces"},
                 parse(fmt::format(R"({{"metadata":{{"name":"shop","labels":{}}}}})", labels)));
  }

  runtime::Simulation simulation_;
  ::cloudless::apiserver::testing::FakeObjects objects_;
};

TEST_F(LimitsTest, PodSecurityEnforcesOnPodsInUpstreamsWords) {
  PodSecurity plugin(objects_);
  put_namespace(R"({"pod-security.kubernetes.io/enforce":"baseline"})");
  Call call =
      pod(R"({"hostNetwork":true,"containers":[{"name":"a","securityContext":{"privileged":true}}]})");
  EXPECT_EQ(error_of(plugin, call),
            "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces "
            "(hostNetwork=true), "
            "privileged (container \"a\" must not set securityContext.privileged=true)");
  call = pod(R"({"containers":[{"name":"a"}]})");
  EXPECT_EQ(error_of(plugin, call), "");
}

TEST_F(LimitsTest, PodSecurityRestrictedAsksForEverything) {
  PodSecurity plugin(objects_);
  put_namespace(R"({"pod-security.kubernetes.io/enforce":"restricted"})");
  Call call = pod(R"({"containers":[{"name":"a"},{"name":"b"}]})");
  EXPECT_EQ(error_of(plugin, call),
            "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation "
            "!= false "
            "(containers \"a\", \"b\" must set securityContext.allowPrivilegeEscalation=false), unrestricted "
            "capabilities (containers \"a\", \"b\" must set securityContext.capabilities.drop=[\"ALL\"]), "
            "runAsNonRoot "
            "!= true (pod or containers \"a\", \"b\" must set securityContext.runAsNonRoot=true), "
            "seccompProfile (pod or "
            "containers \"a\", \"b\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
            "\"Localhost\")");
  call = pod(
      R"({"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{
      "name":"a","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}],
      "volumes":[{"name":"c","configMap":{"name":"x"}}]})");
  EXPECT_EQ(error_of(plugin, call), "");
  make_object(call.object, {"spec"})["volumes"] = json::parse(R"([{"name":"h","hostPath":{"path":"/"}}])");
  EXPECT_THAT(error_of(plugin, call),
              HasSubstr("restricted volume types (volume \"h\" uses restricted volume type \"hostPath\")"));
}

TEST_F(LimitsTest, PodSecurityOnlyWarnsAboutWhatMakesPods) {
  PodSecurity plugin(objects_);
  put_namespace(
      R"({"pod-security.kubernetes.io/enforce":"baseline","pod-security.kubernetes.io/warn":"baseline",
                    "pod-security.kubernetes.io/audit":"baseline"})");
  Call call{.group = "apps",
            .resource = "deployments",
            .object = parse(R"({"metadata":{"name":"d","namespace":"shop"},
      "spec":{"template":{"spec":{"hostPID":true,"containers":[]}}}})")};
  EXPECT_EQ(error_of(plugin, call), "");
  EXPECT_THAT(call.warnings,
              ::testing::ElementsAre(
                  "would violate PodSecurity \"baseline:latest\": host namespaces (hostPID=true)"));
  EXPECT_EQ(call.audit_annotations.size(), 1u);
  Call labels{
      .resource = "namespaces",
      .object = parse(R"({"metadata":{"name":"n","labels":{"pod-security.kubernetes.io/enforce":"x"}}})")};
  EXPECT_EQ(run(plugin, labels).error().code, 422);
}

constexpr std::string_view kAdmissionConfiguration = R"(
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline, enforce-version: v1.30, warn: restricted}
    exemptions: {usernames: [robot], runtimeClasses: [kata], namespaces: [kube-system]}
)";

TEST_F(LimitsTest, PodSecurityTakesDefaultsAndExemptionsFromItsConfiguration) {
  ChainOptions options;
  ASSERT_TRUE(apply_configuration(kAdmissionConfiguration, options));
  EXPECT_EQ(options.pod_security.enforce.text(), "baseline:v1.30");
  EXPECT_EQ(options.pod_security.audit.text(), "privileged:latest");
  PodSecurity plugin(objects_, options.pod_security);
  objects_.put({"", "namespaces"}, R"({"metadata":{"name":"d"}})");
  const auto refused = [&](std::string_view spec, std::string_view ns, std::string user) {
    objects_.put({"", "namespaces"}, json::object{{"metadata", {{"name", ns}}}});
    Call call{
        .resource = "pods",
        .object = parse(fmt::format(R"({{"metadata":{{"name":"p","namespace":"{}"}},"spec":{}}})", ns, spec)),
        .user = {.name = std::move(user)}};
    const auto result = testing::run(simulation_, plugin, call);
    return result ? std::string() : result.error().message;
  };
  EXPECT_THAT(refused(R"({"hostPID":true})", "d", "jane"),
              HasSubstr("violates PodSecurity \"baseline:v1.30\": host namespaces (hostPID=true)"));
  EXPECT_EQ(refused(R"({"hostPID":true})", "d", "robot"), "");
  EXPECT_EQ(refused(R"({"hostPID":true})", "kube-system", "jane"), "");
  EXPECT_EQ(refused(R"({"hostPID":true,"runtimeClassName":"kata"})", "d", "jane"), "");
}

TEST(AdmissionConfiguration, WhatCannotBeConfiguredIsRefused) {
  ChainOptions options;
  const auto error_of = [&](std::string text) {
    const auto applied = apply_configuration(text, options);
    return applied ? std::string() : applied.error().message;
  };
  const std::string head = "kind: AdmissionConfiguration\nplugins:\n";
  EXPECT_THAT(error_of(head + "- name: EventRateLimit"), HasSubstr("\"EventRateLimit\" is not supported"));
  EXPECT_THAT(error_of(head + "- {name: PodSecurity, path: x.yaml}"), HasSubstr("not at a path"));
  EXPECT_THAT(error_of(head + "- {name: PodSecurity, configuration: {apiVersion: "
                              "pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, "
                              "defaults: {enforce: hard}}}"),
              HasSubstr("defaults.enforce: Invalid value: \"hard\""));
  EXPECT_THAT(error_of("kind: Other"), HasSubstr("not an AdmissionConfiguration"));
}

TEST_F(LimitsTest, PrivilegedContainersAreRefusedInTemplatesToo) {
  PrivilegedContainers plugin;
  Call call{
      .group = "apps",
      .resource = "deployments",
      .object = parse(R"({"metadata":{"name":"w","namespace":"d"},"spec":{"template":{"spec":{"containers":[)"
                      R"({"name":"a"},{"name":"b","securityContext":{"privileged":true}}]}}}})")};
  const auto result = testing::run(simulation_, plugin, call);
  ASSERT_FALSE(result);
  ASSERT_EQ(result.error().causes.size(), 1u);
  EXPECT_EQ(result.error().causes[0].field, "spec.template.spec.containers[1].securityContext.privileged");
  EXPECT_EQ(result.error().causes[0].message, "Forbidden: disallowed by cluster policy");
  call.subresource = "status";
  EXPECT_TRUE(testing::run(simulation_, plugin, call));
}

TEST_F(LimitsTest, PodSecurityBaselineRulesAreEachChecked) {
  const auto reasons = [](std::string_view spec) {
    std::string out;
    for (const auto& violation : check_pod_security(PodSecurityLevel::kBaseline, {}, parse(spec)))
      out += violation.reason + ";";
    return out;
  };
  EXPECT_EQ(reasons(R"({"volumes":[{"name":"v","hostPath":{"path":"/"}}]})"), "hostPath volumes;");
  EXPECT_EQ(reasons(R"({"containers":[{"name":"a","ports":[{"hostPort":80}]}]})"), "hostPort;");
  EXPECT_EQ(
      reasons(R"({"containers":[{"name":"a","securityContext":{"capabilities":{"add":["NET_ADMIN"]}}}]})"),
      "non-default capabilities;");
  EXPECT_EQ(reasons(R"({"containers":[{"name":"a","securityContext":{"capabilities":{"add":["CHOWN"]}}}]})"),
            "");
  EXPECT_EQ(reasons(R"({"securityContext":{"seccompProfile":{"type":"Unconfined"}}})"), "seccompProfile;");
  EXPECT_EQ(reasons(R"({"securityContext":{"sysctls":[{"name":"kernel.msgmax"}]}})"), "forbidden sysctls;");
  EXPECT_EQ(reasons(R"({"securityContext":{"seLinuxOptions":{"user":"x"}}})"), "seLinuxOptions;");
  EXPECT_EQ(reasons(R"({"initContainers":[{"name":"a","securityContext":{"procMount":"Unmasked"}}]})"),
            "procMount;");
  EXPECT_EQ(reasons(R"({"ephemeralContainers":[{"name":"a","securityContext":{"privileged":true}}]})"),
            "privileged;");
}

TEST_F(LimitsTest, LimitRangerFillsInDefaultsAndChecksBounds) {
  LimitRanger plugin(objects_);
  objects_.put({"", "limitranges"}, R"({"metadata":{"name":"l","namespace":"shop"},"spec":{"limits":[
      {"type":"Container","default":{"memory":"256Mi"},"defaultRequest":{"memory":"128Mi"},"max":{"memory":"1Gi"},
       "min":{"memory":"64Mi"}},
      {"type":"Pod","max":{"memory":"1Gi"}},
      {"type":"PersistentVolumeClaim","max":{"storage":"1Gi"}}]}})");
  Call call = pod(R"({"containers":[{"name":"a"},{"name":"b","resources":{"limits":{"memory":"200Mi"}}}]})");
  EXPECT_EQ(error_of(plugin, call), "");
  const json::array& containers = array_at(call.object, {"spec", "containers"});
  EXPECT_EQ(containers[0].at("resources").at("limits").at("memory").as_string(), "256Mi");
  EXPECT_EQ(containers[0].at("resources").at("requests").at("memory").as_string(), "128Mi");
  EXPECT_EQ(containers[1].at("resources").at("requests").at("memory").as_string(), "200Mi");
  EXPECT_EQ(text_at(call.object, {"metadata", "annotations", "kubernetes.io/limit-ranger"}),
            "LimitRanger plugin set: memory request for container a; memory limit for container a");
  call = pod(
      R"({"containers":[{"name":"a","resources":{"requests":{"memory":"32Mi"},"limits":{"memory":"2Gi"}}}]})");
  EXPECT_EQ(
      error_of(plugin, call),
      "pods \"p\" is forbidden: [minimum memory usage per Container is 64Mi, but request is 32Mi, maximum "
      "memory "
      "usage per Container is 1Gi, but limit is 2Gi, maximum memory usage per Pod is 1Gi, but limit is 2Gi]");
  Call claim{.resource = "persistentvolumeclaims",
             .object = parse(R"({"metadata":{"name":"c","namespace":"shop"},
                               "spec":{"resources":{"requests":{"storage":"2Gi"}}}})")};
  EXPECT_EQ(error_of(plugin, claim),
            "persistentvolumeclaims \"c\" is forbidden: maximum storage usage per PersistentVolumeClaim is "
            "1Gi, but "
            "request is 2Gi");
}

TEST_F(LimitsTest, QuotaCountsWhatIsThereAndWhatIsOnItsWay) {
  ResourceQuota plugin(objects_, simulation_.clock());
  objects_.put(
      {"", "resourcequotas"},
      R"({"metadata":{"name":"q","namespace":"shop"},"spec":{"hard":{"pods":"2","requests.cpu":"1"}}})");
  const char* spec = R"({"containers":[{"name":"a","resources":{"requests":{"cpu":"400m"}}}]})";
  Call first = pod(spec, "p1");
  EXPECT_EQ(error_of(plugin, first), "");
  // Admitted, not stored yet: it counts already, and once alone when it is stored.
  Call second = pod(spec, "p2");
  EXPECT_EQ(error_of(plugin, second), "");
  Call third = pod(spec, "p3");
  EXPECT_EQ(error_of(plugin, third),
            "pods \"p3\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=400m, used: "
            "pods=2,requests.cpu=800m, limited: pods=2,requests.cpu=1");
  objects_.put({"", "pods"}, first.object);
  EXPECT_THAT(error_of(plugin, third), HasSubstr("used: pods=2,"));
  simulation_.run_for(kReservationLife + std::chrono::seconds(1));
  EXPECT_EQ(error_of(plugin, third), "");
}

TEST_F(LimitsTest, QuotaAsksForWhatItLimitsAndLooksAtScopes) {
  ResourceQuota plugin(objects_, simulation_.clock());
  objects_.put({"", "resourcequotas"},
               R"({"metadata":{"name":"q","namespace":"shop"},"spec":{"hard":{"limits.memory":"1Gi"}}})");
  Call call = pod(R"({"containers":[{"name":"a"}]})");
  EXPECT_EQ(error_of(plugin, call),
            "pods \"p\" is forbidden: failed quota: q: must specify limits.memory for: a");
  objects_.put({"", "resourcequotas"}, R"({"metadata":{"name":"q","namespace":"shop"},
      "spec":{"hard":{"pods":"0"},"scopes":["NotBestEffort"]}})");
  EXPECT_EQ(error_of(plugin, call), "");
  objects_.put({"", "resourcequotas"}, R"({"metadata":{"name":"q","namespace":"shop"},
      "spec":{"hard":{"count/deployments.apps":"0","services.loadbalancers":"0"}}})");
  Call deployment{.group = "apps",
                  .resource = "deployments",
                  .object = parse(R"({"metadata":{"name":"d","namespace":"shop"}})")};
  EXPECT_THAT(error_of(plugin, deployment), HasSubstr("limited: count/deployments.apps=0"));
  Call service{
      .resource = "services",
      .object = parse(
          R"({"metadata":{"name":"s","namespace":"shop"},"spec":{"type":"LoadBalancer","ports":[{}]}})")};
  EXPECT_THAT(error_of(plugin, service), HasSubstr("exceeded quota: q, requested: services.loadbalancers=1"));
}

class NodeRestrictionTest : public LimitsTest {
 protected:
  const UserInfo node_{.name = "system:node:n1", .groups = {"system:nodes"}};
};

TEST_F(NodeRestrictionTest, AgentsMakeMirrorPodsOfTheirOwnAlone) {
  NodeRestriction plugin(objects_);
  Call call = pod(R"({"nodeName":"n1","containers":[]})");
  call.user = node_;
  EXPECT_THAT(error_of(plugin, call), HasSubstr("node \"n1\" can only create mirror pods"));
  make_object(call.object, {"metadata", "annotations"})["kubernetes.io/config.mirror"] = "x";
  EXPECT_THAT(error_of(plugin, call), HasSubstr("owner reference set to itself"));
  metadata(call.object)["ownerReferences"] =
      json::parse(R"([{"apiVersion":"v1","kind":"Node","name":"n1","uid":"u"}])");
  EXPECT_EQ(error_of(plugin, call), "");
  make_object(call.object, {"spec"})["nodeName"] = "n2";
  EXPECT_THAT(error_of(plugin, call), HasSubstr("spec.nodeName set to itself"));
  call.user = {.name = "jane"};
  EXPECT_EQ(error_of(plugin, call), "");
}

TEST_F(NodeRestrictionTest, AgentsChangeTheirOwnNodeWithoutItsTaintsAndReservedLabels) {
  NodeRestriction plugin(objects_);
  const char* text =
      R"({"metadata":{"name":"n1","labels":{"kubernetes.io/hostname":"n1","tier":"x"}},"spec":{}})";
  Call call{.operation = Operation::kUpdate,
            .resource = "nodes",
            .object = parse(text),
            .old_object = parse(text),
            .user = node_};
  EXPECT_EQ(error_of(plugin, call), "");
  make_object(call.object, {"spec"})["taints"] = json::parse(R"([{"key":"a","effect":"NoSchedule"}])");
  EXPECT_THAT(error_of(plugin, call), HasSubstr("is not allowed to modify taints"));
  call.object = parse(R"({"metadata":{"name":"n1","labels":{"kubernetes.io/hostname":"n1","tier":"y",
      "node-restriction.kubernetes.io/a":"b","node-role.kubernetes.io/master":""}},"spec":{}})");
  EXPECT_THAT(error_of(plugin, call),
              HasSubstr("is not allowed to modify the following labels: "
                        "node-restriction.kubernetes.io/a, node-role.kubernetes.io/master"));
  metadata(call.object)["name"] = "n2";
  EXPECT_THAT(error_of(plugin, call), HasSubstr("node \"n1\" is not allowed to modify node \"n2\""));
}

TEST_F(NodeRestrictionTest, TokensAreForPodsOnTheNode) {
  NodeRestriction plugin(objects_);
  objects_.put({"", "pods"},
               R"({"metadata":{"name":"p","namespace":"shop","uid":"u"},"spec":{"nodeName":"n1"}})");
  objects_.put({"", "pods"},
               R"({"metadata":{"name":"q","namespace":"shop","uid":"v"},"spec":{"nodeName":"n2"}})");
  const auto ask = [&](std::string_view bound) {
    Call call{.resource = "serviceaccounts",
              .subresource = "token",
              .object = parse(fmt::format(
                  R"({{"metadata":{{"namespace":"shop"}},"spec":{{"boundObjectRef":{}}}}})", bound)),
              .user = node_};
    return error_of(plugin, call);
  };
  EXPECT_EQ(ask(R"({"apiVersion":"v1","kind":"Pod","name":"p","uid":"u"})"), "");
  EXPECT_THAT(ask(R"({"apiVersion":"v1","kind":"Pod","name":"q","uid":"v"})"),
              HasSubstr("scheduled on a different node"));
  EXPECT_THAT(ask(R"({"apiVersion":"v1","kind":"Pod","name":"p"})"), HasSubstr("without a uid"));
  EXPECT_THAT(ask("{}"), HasSubstr("not bound to a pod"));
}

class OnlySigner final : public Authorizer {
 public:
  runtime::Task<Decision> authorize(const Attributes& attributes) override {
    const bool good = attributes.resource == "signers" && attributes.verb == "approve" &&
                      attributes.name == "example.com/*";
    co_return Decision{good ? Decision::Kind::kAllow : Decision::Kind::kNoOpinion, ""};
  }
};

TEST_F(LimitsTest, ApprovingTakesPermissionOnTheSigner) {
  OnlySigner authorizer;
  CertificatePermission plugin(CertificatePermission::Step::kApproval, authorizer);
  const auto ask = [&](std::string_view signer) {
    const json::object csr =
        parse(fmt::format(R"({{"metadata":{{"name":"c"}},"spec":{{"signerName":"{}"}}}})", signer));
    Call call{.operation = Operation::kUpdate,
              .group = "certificates.k8s.io",
              .resource = "certificatesigningrequests",
              .subresource = "approval",
              .object = csr,
              .old_object = csr};
    return error_of(plugin, call);
  };
  EXPECT_EQ(ask("example.com/a"), "");
  EXPECT_THAT(ask("other.com/a"),
              HasSubstr("user not permitted to approve requests with signerName \"other.com/a\""));
}

TEST_F(LimitsTest, NoClientCertificateIsInSystemMasters) {
  CertificateSubjectRestriction plugin;
  const auto ask = [&](std::string group) {
    const auto key = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value();
    const std::string pem = pki::CertificateRequest::make(key, {"jane", {std::move(group)}}, {})->to_pem();
    Call call{.group = "certificates.k8s.io", .resource = "certificatesigningrequests"};
    call.object = {
        {"metadata", {{"name", "c"}}},
        {"spec", {{"signerName", "kubernetes.io/kube-apiserver-client"}, {"request", base64_encode(pem)}}}};
    return error_of(plugin, call);
  };
  EXPECT_EQ(ask("dev"), "");
  EXPECT_THAT(ask("system:masters"), HasSubstr("signer with system:masters group is not allowed"));
}

}  // namespace
}  // namespace cloudless::apiserver::admission
