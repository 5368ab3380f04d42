// Who owns which field, through the whole server: versions of one kind, ownership that clients move, and what
// the server adds by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/test_server.hpp"

namespace cloudless::apiserver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kApply = "application/apply-patch+yaml";
constexpr const char* kMerge = "application/merge-patch+json";
constexpr const char* kJsonPatch = "application/json-patch+json";

class Ownership : public ::testing::Test {
 protected:
  /// The answer's object; fails the test where the call does not succeed.
  json::object ok(const std::string& method, const std::string& target, const std::string& body = "",
                  const std::string& type = "application/json") {
    const testing::TestResponse response = server_.call(method, target, body, type);
    EXPECT_LT(response.status, 300) << method << " " << target << "\n" << response.body;
    return json::parse(response.body).as_object();
  }
  /// "manager operation version: fields" of each entry.
  static std::vector<std::string> owners(const json::object& object) {
    std::vector<std::string> out;
    for (const json::value& value : array_at(object, {"metadata", "managedFields"})) {
      const json::object& entry = value.as_object();
      out.push_back(fmt::format("{} {} {}: {}", text_at(entry, {"manager"}), text_at(entry, {"operation"}),
                                text_at(entry, {"apiVersion"}), json::serialize(entry.at("fieldsV1"))));
    }
    return out;
  }

  testing::TestServer server_;
};

constexpr const char* kScalersV1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
constexpr const char* kScalersV2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
constexpr const char* kTarget =
    R"("scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"})";

TEST_F(Ownership, FieldsAreThoseOfTheVersionThatWasWritten) {
  ok("POST", std::string(kScalersV1) + "?fieldManager=first",
     fmt::format(R"({{"metadata":{{"name":"web"}},"spec":{{{},"maxReplicas":5,)"
                 R"("targetCPUUtilizationPercentage":50}}}})",
                 kTarget));
  const json::object created = ok("GET", std::string(kScalersV2) + "/web");
  EXPECT_THAT(owners(created),
              ElementsAre("first Update autoscaling/v1: "
                          R"({"f:spec":{"f:maxReplicas":{},"f:minReplicas":{},"f:scaleTargetRef":{},)"
                          R"("f:targetCPUUtilizationPercentage":{}}})"));
  // Entries are in the order of their times and, within a second, of their managers.
  // What a write in another version changes is taken in the first one's words.
  const json::object next = ok(
      "PATCH", std::string(kScalersV2) + "/web?fieldManager=second",
      R"({"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":70}}}]}})",
      kMerge);
  EXPECT_THAT(owners(next),
              ElementsAre("first Update autoscaling/v1: "
                          R"({"f:spec":{"f:maxReplicas":{},"f:minReplicas":{},"f:scaleTargetRef":{}}})",
                          "second Update autoscaling/v2: "
                          R"({"f:spec":{"f:metrics":{}}})"));
}

TEST_F(Ownership, AppliedInOneVersionAndDroppedInAnother) {
  const std::string query = "/web?fieldManager=me";
  ok("PATCH", kScalersV1 + query,
     fmt::format(
         R"({{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{{"name":"web",)"
         R"("labels":{{"a":"b"}}}},"spec":{{{},"maxReplicas":5,"minReplicas":2,)"
         R"("targetCPUUtilizationPercentage":50}}}})",
         kTarget),
     kApply);
  const json::object next = ok(
      "PATCH", kScalersV2 + query,
      fmt::format(
          R"({{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{{"name":"web"}},)"
          R"("spec":{{{},"maxReplicas":5}}}})",
          kTarget),
      kApply);
  EXPECT_EQ(object_at(next, {"metadata", "labels"}), nullptr);
  EXPECT_EQ(number_at(next, {"spec", "minReplicas"}), 1) << "the default, as nobody sets it";
  EXPECT_THAT(
      owners(next),
      ElementsAre(
          "me Apply autoscaling/v2: "
          R"({"f:spec":{"f:maxReplicas":{},"f:scaleTargetRef":{"f:apiVersion":{},"f:kind":{},"f:name":{}}}})"));
}

TEST_F(Ownership, EventsOfBothGroupsAreOneKind) {
  ok("POST", "/apis/events.k8s.io/v1/namespaces/default/events?fieldManager=new",
     R"({"metadata":{"name":"e"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"c","reportingInstance":"i",)"
     R"("action":"a","reason":"r","note":"text","type":"Normal","regarding":{"kind":"Pod","namespace":"default","name":"p"}})");
  const json::object changed =
      ok("PATCH", "/api/v1/namespaces/default/events/e?fieldManager=old", R"({"message":"another"})", kMerge);
  const std::vector<std::string> lines = owners(changed);
  ASSERT_EQ(lines.size(), 2u);
  const size_t newer = lines[0].starts_with("new") ? 0 : 1;
  EXPECT_THAT(lines[newer], ::testing::AllOf(HasSubstr("new Update events.k8s.io/v1"),
                                             HasSubstr("f:regarding"), Not(HasSubstr("f:note"))));
  EXPECT_EQ(lines[1 - newer], R"(old Update v1: {"f:message":{}})");
}

constexpr const char* kConfigMap = "/api/v1/namespaces/default/configmaps/a";

TEST_F(Ownership, AClientMayMoveItAndResetIt) {
  ok("POST", "/api/v1/namespaces/default/configmaps?fieldManager=kubectl-client-side-apply",
     R"({"metadata":{"name":"a"},"data":{"x":"1","y":"2"}})");
  // As client-go's csaupgrade does: the updater's fields become the applier's.
  const json::object moved = ok(
      "PATCH", std::string(kConfigMap) + "?fieldManager=kubectl",
      R"([{"op":"replace","path":"/metadata/managedFields","value":[{"manager":"kubectl","operation":"Apply",)"
      R"("apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:x":{},"f:y":{}}}}]}])",
      kJsonPatch);
  EXPECT_THAT(owners(moved), ElementsAre(R"(kubectl Apply v1: {"f:data":{".":{},"f:x":{},"f:y":{}}})"));
  const json::object applied =
      ok("PATCH", std::string(kConfigMap) + "?fieldManager=kubectl",
         R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"}})", kApply);
  EXPECT_EQ(json::serialize(applied.at("data")), R"({"x":"1"})");
  const json::object reset =
      ok("PATCH", std::string(kConfigMap),
         R"([{"op":"replace","path":"/metadata/managedFields","value":[{}]}])", kJsonPatch);
  EXPECT_THAT(owners(reset), IsEmpty());
}

TEST_F(Ownership, ASecondApplierOfTheSameValuesIsRecorded) {
  const std::string config =
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"}})";
  const json::object first = ok("PATCH", std::string(kConfigMap) + "?fieldManager=one", config, kApply);
  const json::object second = ok("PATCH", std::string(kConfigMap) + "?fieldManager=two", config, kApply);
  EXPECT_THAT(owners(ok("GET", kConfigMap)), ElementsAre(HasSubstr("one Apply"), HasSubstr("two Apply")));
  EXPECT_NE(resource_version_of(second), resource_version_of(first));
  const json::object again = ok("PATCH", std::string(kConfigMap) + "?fieldManager=two", config, kApply);
  EXPECT_EQ(resource_version_of(again), resource_version_of(second)) << "nothing new, nothing written";
}

TEST_F(Ownership, WhatTheServerAddsIsNobodys) {
  const json::object service =
      ok("POST", "/api/v1/namespaces/default/services?fieldManager=me",
         R"({"metadata":{"name":"web"},"spec":{"ports":[{"port":80}],"selector":{"app":"web"}}})");
  EXPECT_NE(text_at(service, {"spec", "clusterIP"}), "");
  ASSERT_EQ(owners(service).size(), 1u);
  EXPECT_THAT(owners(service)[0], ::testing::AllOf(HasSubstr("f:selector"), Not(HasSubstr("f:clusterIP")),
                                                   Not(HasSubstr("f:ipFamilies"))));
  const json::object secret = ok("POST", "/api/v1/namespaces/default/secrets?fieldManager=me",
                                 R"({"metadata":{"name":"s"},"stringData":{"a":"b"}})");
  EXPECT_EQ(text_at(secret, {"data", "a"}), "Yg==");
  EXPECT_THAT(owners(secret), ElementsAre(R"(me Update v1: {"f:data":{".":{},"f:a":{}},"f:type":{}})"));
}

}  // namespace
}  // namespace cloudless::apiserver
