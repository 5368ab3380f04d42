// A store that a kube-apiserver has filled: protobuf, earlier versions, JSON in Go's order of keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/registry/stored_form.hpp"
#include "apiserver/testing/test_server.hpp"
#include "schema/json.hpp"
#include "schema/normalize.hpp"
#include "schema/protobuf.hpp"

namespace cloudless::apiserver {
namespace {

using ::testing::HasSubstr;

// The object's message, in an envelope that names `api_version`.
std::string protobuf_of(std::string_view text, std::string_view api_version) {
  const json::value object = json::parse(text);
  const std::string kind(text_at(object.as_object(), {"kind"}));
  const schema::Schema& schema = *api::find_kind(text_at(object.as_object(), {"apiVersion"}), kind);
  const auto message = schema::encode_message(*schema::normalize(object, schema), schema);
  return schema::wrap_protobuf({std::string(api_version), kind}, message.value());
}

class ForeignStore : public ::testing::Test {
 protected:
  void put(const std::string& key, std::string value) {
    ASSERT_TRUE(server_.run(server_.store().put({.key = key, .value = share(std::move(value))})));
  }
  json::object ok(const std::string& method, const std::string& target, const std::string& body = "",
                  const std::string& type = "application/json") {
    const testing::TestResponse response = server_.call(method, target, body, type);
    EXPECT_LT(response.status, 300) << method << " " << target << "\n" << response.body;
    return json::parse(response.body).as_object();
  }

  testing::TestServer server_;
};

constexpr const char* kPod =
    R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default","uid":"u-1","labels":{"app":"x"}},)"
    R"("spec":{"nodeName":"n1","containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1500m"}}}]},)"
    R"("status":{"phase":"Running"}})";

TEST_F(ForeignStore, ProtobufIsServedAsIfItWereOurs) {
  put("/registry/pods/default/p", protobuf_of(kPod, "v1"));
  const json::object pod = ok("GET", "/api/v1/namespaces/default/pods/p");
  EXPECT_EQ(text_at(pod, {"metadata", "uid"}), "u-1");
  EXPECT_EQ(text_at(pod, {"spec", "containers"}), "");
  EXPECT_EQ(text_at(array_at(pod, {"spec", "containers"})[0].as_object(), {"resources", "limits", "cpu"}),
            "1500m");
  EXPECT_NE(resource_version_of(pod), 0u);
  // From the cache, by what selectors see, and page by page from the store.
  for (const char* query : {"?labelSelector=app%3Dx", "?fieldSelector=spec.nodeName%3Dn1", "?limit=1"}) {
    const json::object list = ok("GET", std::string("/api/v1/namespaces/default/pods") + query);
    EXPECT_EQ(array_at(list, {"items"}).size(), 1u) << query;
  }
  // An update writes JSON, which is no other object.
  const json::object updated = ok("PATCH", "/api/v1/namespaces/default/pods/p",
                                  R"({"metadata":{"labels":{"app":"y"}}})", "application/merge-patch+json");
  EXPECT_EQ(text_at(updated, {"metadata", "uid"}), "u-1");
  const auto stored = server_.run(server_.store().range({.key = "/registry/pods/default/p"}));
  ASSERT_TRUE(stored && stored->kvs.size() == 1u);
  EXPECT_FALSE(is_stored_protobuf(*stored->kvs[0].value));
  EXPECT_EQ(ok("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0").at("kind"), "Pod");
}

TEST_F(ForeignStore, AnAutoscalerOfTheFirstVersionIsServedInBoth) {
  put("/registry/horizontalpodautoscalers/default/web",
      protobuf_of(
          R"({"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"web",)"
          R"("namespace":"default"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},)"
          R"("maxReplicas":3,"targetCPUUtilizationPercentage":60}})",
          "autoscaling/v1"));
  const std::string path = "/namespaces/default/horizontalpodautoscalers/web";
  const json::object second = ok("GET", "/apis/autoscaling/v2" + path);
  ASSERT_EQ(array_at(second, {"spec", "metrics"}).size(), 1u);
  EXPECT_EQ(number_at(array_at(second, {"spec", "metrics"})[0].as_object(),
                      {"resource", "target", "averageUtilization"}),
            60);
  EXPECT_EQ(number_at(ok("GET", "/apis/autoscaling/v1" + path), {"spec", "targetCPUUtilizationPercentage"}),
            60);
}

TEST_F(ForeignStore, EventsOfTheOtherGroupAreCoreEvents) {
  put("/registry/events/default/e",
      R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e","namespace":"default"},)"
      R"("note":"text","regarding":{"kind":"Pod","name":"p"},"reason":"r","type":"Normal"})"
      "\n");
  const json::object core = ok("GET", "/api/v1/namespaces/default/events/e");
  EXPECT_EQ(text_at(core, {"message"}), "text");
  EXPECT_EQ(text_at(core, {"involvedObject", "name"}), "p");
  EXPECT_EQ(text_at(ok("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e"), {"note"}), "text");
  const json::object list =
      ok("GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp");
  EXPECT_EQ(array_at(list, {"items"}).size(), 1u);
}

TEST_F(ForeignStore, VersionsThatAreNoMoreAreReadWhereTheirFieldsAreTheSame) {
  put("/registry/poddisruptionbudgets/default/b",
      protobuf_of(R"({"apiVersion":"policy/v1","kind":"PodDisruptionBudget",)"
                  R"("metadata":{"name":"b","namespace":"default"},"spec":{"minAvailable":1}})",
                  "policy/v1beta1"));
  const json::object budget = ok("GET", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b");
  EXPECT_EQ(text_at(budget, {"apiVersion"}), "policy/v1");
  EXPECT_EQ(number_at(budget, {"spec", "minAvailable"}), 1);
}

TEST(StoredForm, WhatCannotBeReadIsAnErrorThatSaysWhat) {
  EXPECT_THAT(json_of_stored_protobuf(std::string_view("k8s\0nonsense", 12)).error().message,
              HasSubstr("no protobuf message"));
  const auto unknown = json_of_stored_protobuf(schema::wrap_protobuf({"extensions/v1beta1", "Ingress"}, ""));
  EXPECT_THAT(unknown.error().message, HasSubstr("extensions/v1beta1, Kind=Ingress"));
  EXPECT_EQ(unknown.error().code, Code::kDataLoss);
}

}  // namespace
}  // namespace cloudless::apiserver
