#include "schema/struct_codec.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/apps_v1.hpp"
#include "api/core_v1.hpp"
#include "api/registry.hpp"

namespace cloudless {
namespace {

using api::core::v1::Pod;

TEST(StructCodec, APodReadsAndWritesInGosOrder) {
  const std::string text =
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"default","labels":{"app":"web"}},)"
      R"("spec":{"volumes":[{"name":"tmp","emptyDir":{"sizeLimit":"1Gi"}}],"containers":[{"name":"nginx",)"
      R"("image":"nginx","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"500m"}},)"
      R"("livenessProbe":{"httpGet":{"path":"/","port":"http"},"periodSeconds":5}}]},)"
      R"("status":{"startTime":"2026-11-22T17:59:23Z"}})";
  auto pod = schema::decode<Pod>(text);
  ASSERT_TRUE(pod) << pod.error().message;
  EXPECT_EQ(pod->metadata.name, "web");
  EXPECT_EQ(pod->spec.containers[0].resources.limits.at("cpu").milli_value(), 500);
  EXPECT_EQ(pod->spec.containers[0].livenessProbe->httpGet->port.to_string(), "http");
  EXPECT_TRUE(pod->spec.volumes[0].emptyDir->sizeLimit.has_value());
  EXPECT_EQ(schema::encode(*pod), text);
}

TEST(StructCodec, EmptyFieldsFollowGosOmitEmpty) {
  EXPECT_EQ(schema::encode(api::core::v1::Service{}),
            R"({"kind":"Service","apiVersion":"v1","metadata":{},"spec":{},"status":{"loadBalancer":{}}})");
  EXPECT_EQ(schema::encode(api::apps::v1::ReplicaSetStatus{}), R"({"replicas":0})");
  EXPECT_EQ(schema::encode(api::apps::v1::DeploymentSpec{}),
            R"({"selector":null,"template":{"metadata":{},"spec":{"containers":[]}},"strategy":{}})");
}

TEST(StructCodec, UnknownFieldsAndNullsAreSkipped) {
  auto pod =
      schema::decode<Pod>(R"({"metadata":{"name":null,"new":1},"spec":{"nodeName":"a","containers":null}})");
  ASSERT_TRUE(pod) << pod.error().message;
  EXPECT_EQ(pod->spec.nodeName, "a");
}

TEST(StructCodec, AWrongTypeIsReportedInGosWords) {
  auto deployment = schema::decode<api::apps::v1::Deployment>(R"({"spec":{"replicas":"3"}})");
  ASSERT_FALSE(deployment);
  EXPECT_EQ(deployment.error().message,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32");
  auto env = schema::decode<Pod>(R"({"spec":{"containers":[{"env":[{"name":"A","value":1}]}]}})");
  ASSERT_FALSE(env);
  EXPECT_EQ(
      env.error().message,
      "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string");
  auto containers = schema::decode<Pod>(R"({"spec":{"containers":{}}})");
  ASSERT_FALSE(containers);
  EXPECT_EQ(
      containers.error().message,
      "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container");
}

TEST(StructCodec, DynamicObjectsConvertBothWays) {
  Pod pod;
  pod.metadata.name = "x";
  pod.metadata.creationTimestamp = WallTime(std::chrono::seconds(1));
  const auto value = schema::to_value(pod);
  EXPECT_EQ(value.at("metadata").at("creationTimestamp").as_string(), "1970-01-01T00:00:01Z");
  EXPECT_EQ(*schema::from_value<Pod>(value), pod);
}

TEST(Registry, KindsAndResourcesAreFoundByName) {
  ASSERT_NE(api::find_kind("apps/v1", "Deployment"), nullptr);
  EXPECT_EQ(api::find_kind("apps/v1", "Deployment"), &api::apps::v1::Deployment::describe());
  EXPECT_NE(api::find_kind("v1", "Status"), nullptr);
  EXPECT_EQ(api::find_kind("v1", "Deployment"), nullptr);
  const auto* scale = api::find_resource("apps", "v1", "deployments/scale");
  ASSERT_NE(scale, nullptr);
  EXPECT_EQ(scale->kind_group, "autoscaling");
  EXPECT_NE(scale->schema, nullptr);
  EXPECT_EQ(schema::storage_version_hash("", "v1", "Pod"), "xPOwRZ+Yhw8=");
}

TEST(Registry, EveryResourceHasItsSchema) {
  for (const auto& info : api::resources()) {
    EXPECT_NE(info.schema, nullptr) << info.group << " " << info.resource;
    EXPECT_FALSE(info.verbs.empty()) << info.resource;
  }
}

}  // namespace
}  // namespace cloudless
