#include "schema/managed_fields.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/registry.hpp"
#include "base/strings.hpp"
#include "schema/defaulting.hpp"
#include "schema/json.hpp"
#include "schema/normalize.hpp"

namespace cloudless {
namespace {

namespace json = boost::json;
using schema::Conflict;
using schema::Force;

const WallTime kNow{std::chrono::seconds(1'800'000'000)};
const schema::Schema& deployment() { return *api::find_kind("apps/v1", "Deployment"); }

json::value object_of(std::string_view text, const schema::Schema& schema = deployment()) {
  auto value = schema::decode_json(text, schema);
  EXPECT_TRUE(value) << value.error().message;
  return *value;
}

json::value applied(const json::value& live, std::string_view config, std::string_view manager,
                    Force force = Force::kNo, std::vector<Conflict>* conflicts = nullptr) {
  // What the client wrote, without what reading it as Go would add.
  auto out = schema::apply(live, *schema::parse_json(config), deployment(),
                           {std::string(manager), "apps/v1", ""}, force, kNow, conflicts);
  return out ? *out : json::value("error: " + out.error().message);
}

std::string fields_owned(const json::value& object, std::string_view manager) {
  const auto* list = object.at("metadata").as_object().if_contains("managedFields");
  for (const auto& entry : list ? list->as_array() : json::array()) {
    if (entry.at("manager").as_string() == manager) return schema::serialize_json(entry.at("fieldsV1"));
  }
  return "none";
}

TEST(ManagedFields, ACreateOwnsWhatItSetsInUpstreamsForm) {
  json::value object = object_of(
      R"({"metadata":{"name":"web","labels":{"app":"web"}},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},)"
      R"("template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"b","ports":[{"containerPort":80}]}]}}}})");
  schema::apply_defaults(object, deployment());
  auto tracked = schema::track_update(nullptr, object, deployment(), {"kubectl-create", "apps/v1", ""}, kNow);
  ASSERT_TRUE(tracked) << tracked.error().message;
  EXPECT_EQ(
      fields_owned(*tracked, "kubectl-create"),
      R"({"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:progressDeadlineSeconds":{},"f:replicas":{},)"
      R"("f:revisionHistoryLimit":{},"f:selector":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{},)"
      R"("f:maxUnavailable":{}},"f:type":{}},"f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":)"
      R"({"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":)"
      R"({".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},)"
      R"("f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},)"
      R"("f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}}})");
  const auto& entry = tracked->at("metadata").at("managedFields").at(0);
  EXPECT_EQ(entry.at("operation"), "Update");
  EXPECT_EQ(entry.at("time"), "2027-01-15T08:00:00Z");
}

constexpr std::string_view kConfig =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"a":"1","b":"2"}},"spec":{"replicas":2,)"
    R"("template":{"spec":{"containers":[{"name":"x","image":"i","ports":[{"containerPort":80}]}]}}}})";

TEST(ServerSideApply, OwnsExactlyWhatTheConfigurationSets) {
  const auto object = applied(nullptr, kConfig, "helm");
  ASSERT_TRUE(object.is_object()) << object;
  EXPECT_EQ(
      fields_owned(object, "helm"),
      R"({"f:metadata":{"f:labels":{"f:a":{},"f:b":{}}},"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":)"
      R"({"k:{\"name\":\"x\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":)"
      R"({".":{},"f:containerPort":{}}}}}}}}})");
}

TEST(ServerSideApply, AFieldNoLongerAppliedIsRemoved) {
  const auto object = applied(nullptr, kConfig, "helm");
  const auto next = applied(
      object,
      R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"a":"1"}},"spec":{)"
      R"("template":{"spec":{"containers":[{"name":"y","image":"i"}]}}}})",
      "helm");
  ASSERT_TRUE(next.is_object()) << next;
  EXPECT_EQ(schema::serialize_json(next.at("metadata").at("labels")), R"({"a":"1"})");
  EXPECT_FALSE(next.at("spec").as_object().contains("replicas"));
  EXPECT_EQ(schema::serialize_json(next.at("spec").at("template").at("spec").at("containers")),
            R"([{"name":"y","image":"i","resources":{}}])");
}

TEST(ServerSideApply, WhatAnotherManagerOwnsTooStays) {
  auto object = applied(nullptr, kConfig, "helm");
  object = applied(object, R"({"metadata":{"name":"web","labels":{"b":"2"}}})", "argo");
  ASSERT_TRUE(object.is_object()) << object;
  const auto next = applied(object, R"({"metadata":{"name":"web"}})", "helm");
  EXPECT_EQ(schema::serialize_json(next.at("metadata").at("labels")), R"({"b":"2"})");
}

TEST(ServerSideApply, AChangeOfAnothersFieldConflictsUnlessForced) {
  const auto object = applied(nullptr, kConfig, "helm");
  std::vector<Conflict> conflicts;
  constexpr std::string_view kOther = R"({"metadata":{"name":"web"},"spec":{"replicas":5}})";
  const auto refused = applied(object, kOther, "me", Force::kNo, &conflicts);
  EXPECT_EQ(refused,
            json::value("error: Apply failed with 1 conflict: conflict with \"helm\": .spec.replicas"));
  EXPECT_EQ(
      schema::serialize_json(schema::conflict_causes(conflicts)),
      R"([{"reason":"FieldManagerConflict","message":"conflict with \"helm\"","field":".spec.replicas"}])");
  const auto forced = applied(object, kOther, "me", Force::kYes);
  EXPECT_EQ(forced.at("spec").at("replicas"), 5);
  EXPECT_EQ(fields_owned(forced, "me"), R"({"f:spec":{"f:replicas":{}}})");
  EXPECT_EQ(fields_owned(forced, "helm").find("f:replicas"), std::string::npos);
}

TEST(ServerSideApply, AStatusBesideTheSpecIsIgnored) {
  const auto object = applied(nullptr, kConfig, "helm");
  auto with_status = schema::track_update(
      object,
      [&] {
        json::value changed = object;
        changed.as_object()["status"] = {{"replicas", 2}};
        return changed;
      }(),
      deployment(), {"controller", "apps/v1", "status"}, kNow);
  ASSERT_TRUE(with_status);
  const auto next = applied(
      *with_status, R"({"metadata":{"name":"web"},"spec":{"replicas":2},"status":{"replicas":0}})", "me");
  ASSERT_TRUE(next.is_object()) << next;
  EXPECT_EQ(fields_owned(next, "controller"), R"({"f:status":{"f:replicas":{}}})");
  EXPECT_EQ(fields_owned(next, "me"), R"({"f:spec":{"f:replicas":{}}})");
}

TEST(ServerSideApply, TheSameValueIsSharedWithoutConflict) {
  const auto object = applied(nullptr, kConfig, "helm");
  const auto shared = applied(object, R"({"metadata":{"name":"web"},"spec":{"replicas":2}})", "me");
  ASSERT_TRUE(shared.is_object()) << shared;
  EXPECT_NE(fields_owned(shared, "helm").find("f:replicas"), std::string::npos);
  EXPECT_EQ(fields_owned(shared, "me"), R"({"f:spec":{"f:replicas":{}}})");
}

TEST(ServerSideApply, ConflictsWithUpdatersNameTheirVersion) {
  auto tracked =
      schema::track_update(nullptr, object_of(R"({"metadata":{"name":"w"},"spec":{"replicas":1}})"),
                           deployment(), {"kubectl-client-side-apply", "apps/v1", ""}, kNow);
  ASSERT_TRUE(tracked);
  EXPECT_EQ(applied(*tracked, R"({"spec":{"replicas":3}})", "me"),
            json::value("error: Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" "
                        "using apps/v1: .spec.replicas"));
}

TEST(ServerSideApply, AFieldThatTheSchemaLacksIsRefused) {
  EXPECT_EQ(
      applied(
          nullptr,
          R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"w","namespace":"d"},"spec":{"foo":1}})",
          "me"),
      json::value("error: failed to create typed patch object (d/w; apps/v1, Kind=Deployment): .spec.foo: "
                  "field not declared in schema"));
}

TEST(ManagedFields, AnUpdateTakesOverWhatItChangesAndForgetsWhatItRemoves) {
  const auto object = applied(nullptr, kConfig, "helm");
  json::value edited = object;
  edited.at("spec").at("replicas") = 9;
  edited.at("metadata").at("labels").as_object().stable_erase("a");
  auto tracked = schema::track_update(object, edited, deployment(), {"kubectl-edit", "apps/v1", ""}, kNow);
  ASSERT_TRUE(tracked);
  EXPECT_EQ(fields_owned(*tracked, "kubectl-edit"), R"({"f:spec":{"f:replicas":{}}})");
  EXPECT_EQ(fields_owned(*tracked, "helm").find("f:replicas"), std::string::npos);
  EXPECT_EQ(fields_owned(*tracked, "helm").find("f:a"), std::string::npos);
}

json::value updated(const json::value& live, const json::value& object, std::string_view manager,
                    std::string_view subresource = "") {
  auto out = schema::track_update(live, object, deployment(),
                                  {std::string(manager), "apps/v1", std::string(subresource)}, kNow);
  return out ? *out : json::value("error: " + out.error().message);
}

json::value with_managed_fields(json::value object, std::string_view entries) {
  object.at("metadata").as_object()["managedFields"] = *schema::parse_json(entries);
  return object;
}

constexpr std::string_view kMoved =
    R"([{"manager":"kubectl","operation":"Apply","apiVersion":"apps/v1","fieldsType":"FieldsV1",)"
    R"("fieldsV1":{"f:spec":{"f:replicas":{}}}}])";

TEST(ManagedFields, OneEmptyEntryResetsAndNoEntryDoesNot) {
  const auto object = applied(nullptr, kConfig, "helm");
  const auto reset = updated(object, with_managed_fields(object, "[{}]"), "me");
  EXPECT_FALSE(reset.at("metadata").as_object().contains("managedFields"));
  const auto kept = updated(object, with_managed_fields(object, "[]"), "me");
  EXPECT_EQ(fields_owned(kept, "helm"), fields_owned(object, "helm"));
}

TEST(ManagedFields, AWriterMayMoveOwnership) {
  const auto object = applied(nullptr, kConfig, "helm");
  const auto moved = updated(object, with_managed_fields(object, kMoved), "me");
  EXPECT_EQ(fields_owned(moved, "kubectl"), R"({"f:spec":{"f:replicas":{}}})");
  EXPECT_EQ(fields_owned(moved, "helm"), "none");
  const auto by_status = updated(object, with_managed_fields(object, kMoved), "me", "status");
  EXPECT_EQ(fields_owned(by_status, "helm"), fields_owned(object, "helm")) << "not by a subresource";
}

TEST(ManagedFields, WhatCannotBeReadIsIgnored) {
  const auto object = applied(nullptr, kConfig, "helm");
  for (
      const std::string_view bad :
      {R"([{"manager":"x","operation":"Steal","apiVersion":"apps/v1","fieldsType":"FieldsV1"}])",
       R"([{"manager":"x","operation":"Apply","apiVersion":"apps/v1","fieldsType":"FieldsV9"}])",
       R"([{"manager":"x","operation":"Apply","fieldsType":"FieldsV1"}])",
       R"([{"manager":"x","operation":"Apply","apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"q":1}}])"}) {
    const auto kept = updated(object, with_managed_fields(object, bad), "me");
    EXPECT_EQ(fields_owned(kept, "helm"), fields_owned(object, "helm")) << bad;
    EXPECT_EQ(fields_owned(kept, "x"), "none") << bad;
  }
}

// An object as kubectl's client-side apply leaves it.
json::value applied_by_client(std::string_view labels, std::string_view last) {
  json::value object = object_of(
      fmt::format(R"({{"metadata":{{"name":"web","labels":{0}}},"spec":{{"replicas":2}}}})", labels));
  object.at("metadata").as_object()["annotations"] = {
      {"kubectl.kubernetes.io/last-applied-configuration", json::string(last)}};
  return *schema::track_update(nullptr, *schema::normalize(object, deployment()), deployment(),
                               {"kubectl-client-side-apply", "apps/v1", ""}, kNow);
}

constexpr std::string_view kLastApplied =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"a":"1"}},"spec":{"replicas":2}})";
constexpr std::string_view kChanged =
    R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"a":"9"}}})";

TEST(ServerSideApply, KubectlTakesWhatItsClientSideApplyHasSet) {
  const auto live = applied_by_client(R"({"a":"1"})", kLastApplied);
  EXPECT_TRUE(applied(live, kChanged, "helm").is_string()) << "others are in conflict with it";
  const auto next = applied(live, kChanged, "kubectl");
  ASSERT_TRUE(next.is_object()) << next;
  EXPECT_EQ(next.at("metadata").at("labels").at("a"), "9");
  EXPECT_EQ(fields_owned(next, "kubectl"), R"({"f:metadata":{"f:labels":{"f:a":{}}}})");
  EXPECT_EQ(next.at("metadata").at("annotations").at("kubectl.kubernetes.io/last-applied-configuration"),
            R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"a":"9"},"name":"web"}})"
            "\n");
}

TEST(ServerSideApply, WhatChangedAfterClientSideApplyStaysInConflict) {
  const auto live = applied_by_client(R"({"a":"5"})", kLastApplied);
  const auto refused = applied(live, kChanged, "kubectl");
  ASSERT_TRUE(refused.is_string());
  EXPECT_NE(std::string(refused.as_string()).find(".metadata.labels.a"), std::string::npos);
}

TEST(ManagedFields, ApplyingTheSameTwiceChangesNothing) {
  const auto once = applied(nullptr, kConfig, "helm");
  EXPECT_EQ(schema::serialize_json(applied(once, kConfig, "helm")), schema::serialize_json(once));
}

TEST(ManagedFields, ManyUpdatersAreFolded) {
  json::value object = object_of(R"({"metadata":{"name":"w"}})");
  object = *schema::track_update(nullptr, object, deployment(), {"first", "apps/v1", ""}, kNow);
  for (int i = 0; i < 15; ++i) {
    json::value next = object;
    auto& labels = next.at("metadata").as_object()["labels"];
    if (!labels.is_object()) labels.emplace_object();
    labels.as_object()["l" + std::to_string(i)] = "x";
    object = *schema::track_update(object, *schema::normalize(next, deployment()), deployment(),
                                   {"m" + std::to_string(i), "apps/v1", ""}, kNow + std::chrono::seconds(i));
    if (i == 0) {
      ASSERT_FALSE(object.at("metadata").as_object().contains("managedFields"))
          << "nothing was tracked at first";
      object = *schema::track_update(nullptr, *schema::normalize(next, deployment()), deployment(),
                                     {"m0", "apps/v1", ""}, kNow);
    }
  }
  EXPECT_LE(object.at("metadata").at("managedFields").as_array().size(), 11u);
  EXPECT_NE(fields_owned(object, "ancient-changes"), "none");
}

}  // namespace
}  // namespace cloudless
