#include "schema/validation.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/registry.hpp"
#include "schema/defaulting.hpp"
#include "schema/json.hpp"
#include "schema/normalize.hpp"

namespace cloudless {
namespace {

namespace json = boost::json;
using schema::Scope;

json::value ready(const schema::Schema& kind, std::string_view text) {
  auto object = schema::decode_json(text, kind);
  EXPECT_TRUE(object) << object.error().message;
  schema::apply_defaults(*object, kind);
  return *object;
}

Scope scope_of(const schema::Schema& kind) {
  for (const auto& info : api::resources()) {
    if (info.schema == &kind && !info.is_subresource())
      return info.namespaced ? Scope::kNamespaced : Scope::kCluster;
  }
  return Scope::kNamespaced;
}

std::vector<std::string> messages(const schema::FieldErrors& errors) {
  std::vector<std::string> out;
  for (const auto& error : errors) out.push_back(error.message());
  return out;
}

std::vector<std::string> complaints(std::string_view api_version, std::string_view kind_name,
                                    std::string_view text) {
  const auto& kind = *api::find_kind(api_version, kind_name);
  return messages(schema::validate(ready(kind, text), kind, scope_of(kind)));
}

std::vector<std::string> update_complaints(std::string_view api_version, std::string_view kind_name,
                                           std::string_view before, std::string_view after) {
  const auto& kind = *api::find_kind(api_version, kind_name);
  return messages(schema::validate_update(ready(kind, after), ready(kind, before), kind, scope_of(kind)));
}

using V = std::vector<std::string>;
#define META R"("metadata":{"name":"x","namespace":"d","resourceVersion":"1"})"
#define POD_SPEC R"("spec":{"containers":[{"name":"a","image":"i"}]})"
#define TEMPLATE R"("template":{"metadata":{"labels":{"app":"x"}},)" POD_SPEC "}"

TEST(Validation, ADeploymentWithoutASelectorIsRefusedInUpstreamsWords) {
  const auto& kind = *api::find_kind("apps/v1", "Deployment");
  const auto errors =
      schema::validate(ready(kind, "{" META R"(,"spec":{)" TEMPLATE "}}"), kind, Scope::kNamespaced);
  EXPECT_EQ(schema::invalid_message("Deployment", "apps", "x", errors),
            R"(Deployment.apps "x" is invalid: spec.selector: Required value)");
  EXPECT_EQ(schema::serialize_json(schema::to_causes(errors)),
            R"([{"reason":"FieldValueRequired","message":"Required value","field":"spec.selector"}])");
}

TEST(Validation, GoodObjectsPass) {
  EXPECT_EQ(complaints("v1", "Pod", "{" META "," POD_SPEC "}"), V{});
  EXPECT_EQ(complaints("apps/v1", "Deployment",
                       "{" META R"(,"spec":{"selector":{"matchLabels":{"app":"x"}},)" TEMPLATE "}}"),
            V{});
  EXPECT_EQ(complaints("apps/v1", "StatefulSet",
                       "{" META
                       R"(,"spec":{"serviceName":"s","selector":{"matchLabels":{"app":"x"}},)" TEMPLATE "}}"),
            V{});
  EXPECT_EQ(complaints("apps/v1", "DaemonSet",
                       "{" META R"(,"spec":{"selector":{"matchLabels":{"app":"x"}},)" TEMPLATE "}}"),
            V{});
  EXPECT_EQ(complaints("v1", "Service", "{" META R"(,"spec":{"ports":[{"port":80}]}})"), V{});
  EXPECT_EQ(
      complaints(
          "batch/v1", "CronJob",
          "{" META
          R"(,"spec":{"schedule":"*/5 0-6,12 * jan-mar mon","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i"}]}}}}}})"),
      V{});
  EXPECT_EQ(
      complaints(
          "networking.k8s.io/v1", "Ingress",
          "{" META
          R"(,"spec":{"rules":[{"host":"a.example.com","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"s","port":{"number":80}}}}]}}]}})"),
      V{});
  EXPECT_EQ(
      complaints(
          "rbac.authorization.k8s.io/v1", "ClusterRole",
          R"({"metadata":{"name":"system:x"},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]})"),
      V{});
  EXPECT_EQ(
      complaints(
          "rbac.authorization.k8s.io/v1", "ClusterRoleBinding",
          R"({"metadata":{"name":"b"},"roleRef":{"kind":"ClusterRole","name":"x"},"subjects":[{"kind":"User","name":"u"}]})"),
      V{});
}

TEST(Validation, MetadataObeysTheNameFormats) {
  EXPECT_EQ(complaints("v1", "ConfigMap", R"({"metadata":{"namespace":"d"}})"),
            V{"metadata.name: Required value: name or generateName is required"});
  const auto bad = complaints("v1", "ConfigMap", R"({"metadata":{"name":"A_b","namespace":"d"}})");
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_EQ(
      bad[0],
      R"(metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'))");
  EXPECT_EQ(complaints("v1", "ConfigMap", R"({"metadata":{"generateName":"a-","namespace":"d"}})"), V{});
  EXPECT_EQ(complaints("v1", "Node", R"({"metadata":{"name":"n","namespace":"d"}})"),
            V{"metadata.namespace: Forbidden: not allowed on this type"});
  EXPECT_EQ(complaints("v1", "ConfigMap", R"({"metadata":{"name":"a","namespace":"d","labels":{"a b":"c"}}})")
                .size(),
            1u);
}

TEST(Validation, PodsAreCheckedThroughout) {
  EXPECT_EQ(complaints("v1", "Pod", "{" META R"(,"spec":{"containers":[]}})"),
            V{"spec.containers: Required value"});
  EXPECT_EQ(complaints("v1", "Pod", "{" META R"(,"spec":{"containers":[{"image":"i"},{"name":"a"}]}})"),
            (V{"spec.containers[0].name: Required value", "spec.containers[1].image: Required value"}));
  EXPECT_EQ(
      complaints(
          "v1", "Pod",
          "{" META
          R"(,"spec":{"restartPolicy":"Maybe","containers":[{"name":"a","image":"i","volumeMounts":[{"name":"v","mountPath":"/v"}],"ports":[{"containerPort":99999}]}]}})"),
      (V{R"(spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "Never", "OnFailure")",
         "spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, "
         "inclusive",
         R"(spec.containers[0].volumeMounts[0].name: Not found: "v")"}));
  EXPECT_EQ(
      complaints(
          "v1", "Pod",
          "{" META
          R"(,"spec":{"containers":[{"name":"a","image":"i","resources":{"limits":{"cpu":"1"},"requests":{"cpu":"2"}}},{"name":"a","image":"i"}]}})"),
      (V{R"(spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1)",
         R"(spec.containers[1].name: Duplicate value: "a")"}));
}

TEST(Validation, APodMayChangeItsImageButNotItsCommand) {
  EXPECT_EQ(
      update_complaints("v1", "Pod", "{" META "," POD_SPEC "}",
                        "{" META
                        R"(,"spec":{"containers":[{"name":"a","image":"j:1","imagePullPolicy":"Always"}]}})"),
      V{});
  const auto refused =
      update_complaints("v1", "Pod", "{" META "," POD_SPEC "}",
                        "{" META R"(,"spec":{"containers":[{"name":"a","image":"i","command":["x"]}]}})");
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(refused[0].starts_with(
      "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"));
}

TEST(Validation, WorkloadsMatchTheirTemplates) {
  EXPECT_EQ(
      complaints("apps/v1", "Deployment",
                 "{" META R"(,"spec":{"replicas":-1,"selector":{"matchLabels":{"app":"y"}},)" TEMPLATE "}}"),
      (V{"spec.replicas: Invalid value: -1: must be greater than or equal to 0",
         R"(spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`)"}));
  EXPECT_EQ(
      update_complaints(
          "apps/v1", "Deployment",
          "{" META R"(,"spec":{"selector":{"matchLabels":{"app":"x"}},)" TEMPLATE "}}",
          "{" META
          R"(,"spec":{"selector":{"matchLabels":{"app":"x","b":"c"}},"template":{"metadata":{"labels":{"app":"x","b":"c"}},)" POD_SPEC
          "}}}"),
      V{R"(spec.selector: Invalid value: {"matchLabels":{"app":"x","b":"c"}}: field is immutable)"});
  EXPECT_EQ(
      complaints("batch/v1", "Job", "{" META R"(,"spec":{"template":{)" POD_SPEC "}}}"),
      V{R"(spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never")"});
  EXPECT_EQ(
      complaints(
          "batch/v1", "CronJob",
          "{" META
          R"(,"spec":{"schedule":"61 * * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i"}]}}}}}})"),
      V{R"(spec.schedule: Invalid value: "61 * * *": expected exactly 5 fields, found 4: [61 * * *])"});
}

TEST(Validation, ServicesNeedPortsAndKeepTheirAddress) {
  EXPECT_EQ(complaints("v1", "Service", "{" META R"(,"spec":{}})"), V{"spec.ports: Required value"});
  EXPECT_EQ(
      complaints("v1", "Service", "{" META R"(,"spec":{"type":"Wrong","ports":[{"port":1}]}})"),
      V{R"(spec.type: Unsupported value: "Wrong": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort")"});
  EXPECT_EQ(complaints("v1", "Service", "{" META R"(,"spec":{"ports":[{"port":1,"nodePort":30000}]}})"),
            V{"spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"});
  EXPECT_EQ(update_complaints("v1", "Service",
                              "{" META R"(,"spec":{"clusterIP":"10.96.0.1","ports":[{"port":1}]}})",
                              "{" META R"(,"spec":{"clusterIP":"10.96.0.2","ports":[{"port":1}]}})"),
            V{R"(spec.clusterIPs[0]: Invalid value: ["10.96.0.2"]: may not change once set)"});
}

TEST(Validation, ImmutableConfigAndRoleReferencesStay) {
  EXPECT_EQ(update_complaints("v1", "ConfigMap", "{" META R"(,"immutable":true,"data":{"a":"1"}})",
                              "{" META R"(,"immutable":true,"data":{"a":"2"}})"),
            V{"data: Forbidden: field is immutable when `immutable` is set"});
  EXPECT_EQ(
      update_complaints("rbac.authorization.k8s.io/v1", "RoleBinding",
                        "{" META R"(,"roleRef":{"kind":"Role","name":"a"}})",
                        "{" META R"(,"roleRef":{"kind":"Role","name":"b"}})"),
      V{R"(roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"b"}: cannot change roleRef)"});
  EXPECT_EQ(complaints("v1", "Secret", "{" META R"(,"type":"kubernetes.io/tls"})"),
            (V{"data[tls.crt]: Required value", "data[tls.key]: Required value"}));
}

TEST(Validation, DefinitionsNeedAMatchingNameAndAStructuralSchema) {
  EXPECT_EQ(
      complaints(
          "apiextensions.k8s.io/v1", "CustomResourceDefinition",
          R"({"metadata":{"name":"w"},"spec":{"group":"e.com","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1","served":true,"storage":true}]}})"),
      (V{R"(metadata.name: Invalid value: "w": must be spec.names.plural+"."+spec.group)",
         "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"}));
}

TEST(Validation, UpdatesKeepIdentity) {
  EXPECT_EQ(update_complaints("v1", "ConfigMap",
                              R"({"metadata":{"name":"a","namespace":"d","uid":"1","resourceVersion":"5"}})",
                              R"({"metadata":{"name":"a","namespace":"d","uid":"2"}})"),
            (V{R"(metadata.uid: Invalid value: "2": field is immutable)",
               "metadata.resourceVersion: Invalid value: 0: must be specified for an update"}));
  const auto finalizers = update_complaints(
      "v1", "ConfigMap",
      R"({"metadata":{"name":"a","namespace":"d","resourceVersion":"5","deletionTimestamp":"2026-01-01T00:00:00Z"}})",
      R"({"metadata":{"name":"a","namespace":"d","resourceVersion":"5","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["a/b"]}})");
  EXPECT_EQ(
      finalizers,
      V{R"(metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a/b"})"});
}

}  // namespace
}  // namespace cloudless
