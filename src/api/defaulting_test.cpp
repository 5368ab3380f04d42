#include "schema/defaulting.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/registry.hpp"
#include "schema/json.hpp"
#include "schema/normalize.hpp"

namespace cloudless {
namespace {

boost::json::value defaulted(std::string_view api_version, std::string_view kind, std::string_view text) {
  const auto& schema = *api::find_kind(api_version, kind);
  auto value = schema::decode_json(text, schema);
  EXPECT_TRUE(value) << value.error().message;
  schema::apply_defaults(*value, schema);
  boost::json::value once = *value;
  schema::apply_defaults(*value, schema);
  EXPECT_EQ(schema::serialize_json(once), schema::serialize_json(*value))
      << "defaulting twice changes the object";
  auto normal = schema::normalize(*value, schema);
  EXPECT_EQ(schema::serialize_json(once), schema::serialize_json(*normal))
      << "defaulting denormalizes the object";
  return once;
}

TEST(Defaulting, APodGetsWhatUpstreamFillsIn) {
  const auto pod = defaulted(
      "v1", "Pod",
      R"({"metadata":{"name":"x"},"spec":{"hostNetwork":true,"volumes":[{"name":"v"},{"name":"s","secret":{}}],
      "containers":[{"name":"a","image":"r:5000/nginx","ports":[{"name":"p","containerPort":80}],
      "resources":{"limits":{"cpu":"1"}},"livenessProbe":{"httpGet":{"port":80}}},{"name":"b","image":"b:1"}]}})");
  EXPECT_EQ(
      schema::serialize_json(pod.at("spec")),
      R"({"volumes":[{"name":"v","emptyDir":{}},{"name":"s","secret":{"defaultMode":420}}],"containers":[)"
      R"({"name":"a","image":"r:5000/nginx","ports":[{"name":"p","hostPort":80,"containerPort":80,"protocol":"TCP"}],)"
      R"("resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}},"livenessProbe":{"httpGet":{"path":"/","port":80,)"
      R"("scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},)"
      R"("terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"Always"},)"
      R"({"name":"b","image":"b:1","resources":{},"terminationMessagePath":"/dev/termination-log",)"
      R"("terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always",)"
      R"("terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","hostNetwork":true,"securityContext":{},)"
      R"("schedulerName":"default-scheduler","enableServiceLinks":true})");
}

TEST(Defaulting, ADeploymentGetsItsStrategy) {
  const auto spec =
      defaulted("apps/v1", "Deployment", R"({"spec":{"template":{"spec":{"containers":[]}}}})").at("spec");
  EXPECT_EQ(spec.at("replicas"), 1);
  EXPECT_EQ(schema::serialize_json(spec.at("strategy")),
            R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}})");
  const auto recreate =
      defaulted("apps/v1", "Deployment", R"({"spec":{"strategy":{"type":"Recreate"},"replicas":0}})");
  EXPECT_EQ(schema::serialize_json(recreate.at("spec").at("strategy")), R"({"type":"Recreate"})");
  EXPECT_EQ(recreate.at("spec").at("replicas"), 0);
}

TEST(Defaulting, AServiceGetsPortsAndPolicies) {
  const auto service =
      defaulted("v1", "Service", R"({"spec":{"type":"LoadBalancer","ports":[{"port":80}]}})");
  EXPECT_EQ(
      schema::serialize_json(service.at("spec")),
      R"({"ports":[{"protocol":"TCP","port":80,"targetPort":80}],"type":"LoadBalancer","sessionAffinity":"None",)"
      R"("externalTrafficPolicy":"Cluster","allocateLoadBalancerNodePorts":true,"internalTrafficPolicy":"Cluster"})");
  const auto sticky =
      defaulted("v1", "Service", R"({"spec":{"sessionAffinity":"ClientIP","ports":[{"port":1}]}})");
  EXPECT_EQ(sticky.at("spec").at("sessionAffinityConfig").at("clientIP").at("timeoutSeconds"), 10800);
}

TEST(Defaulting, ComputedRowsOfOtherKindsApply) {
  EXPECT_EQ(
      schema::serialize_json(defaulted("networking.k8s.io/v1", "NetworkPolicy", R"({"spec":{"egress":[{}]}})")
                                 .at("spec")
                                 .at("policyTypes")),
      R"(["Ingress","Egress"])");
  const auto job = defaulted("batch/v1", "Job", R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})");
  EXPECT_EQ(job.at("spec").at("backoffLimit"), 6);
  EXPECT_EQ(job.at("spec").at("completions"), 1);
  EXPECT_EQ(job.at("metadata").at("labels").at("a"), "b");
  EXPECT_EQ(defaulted("v1", "Namespace", R"({"metadata":{"name":"n"}})")
                .at("metadata")
                .at("labels")
                .at("kubernetes.io/metadata.name"),
            "n");
  const auto set = defaulted("apps/v1", "StatefulSet", "{}");
  EXPECT_EQ(schema::serialize_json(set.at("spec").at("updateStrategy")),
            R"({"type":"RollingUpdate","rollingUpdate":{"partition":0,"maxUnavailable":1}})");
  EXPECT_EQ(schema::serialize_json(set.at("spec").at("persistentVolumeClaimRetentionPolicy")),
            R"({"whenDeleted":"Retain","whenScaled":"Retain"})");
}

TEST(Defaulting, EveryKindStaysNormal) {
  for (const auto* kind : api::types()) {
    if (kind->is_kind && kind->group != "meta.k8s.io") {
      defaulted(kind->group.empty() ? std::string(kind->version)
                                    : std::string(kind->group) + "/" + std::string(kind->version),
                kind->name, "{}");
    }
  }
}

}  // namespace
}  // namespace cloudless
