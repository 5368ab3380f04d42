#include "schema/patch.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/registry.hpp"
#include "schema/json.hpp"

namespace cloudless {
namespace {

namespace json = boost::json;

std::string json_patched(std::string_view document, std::string_view patch) {
  auto out = schema::apply_json_patch(*schema::parse_json(document), *schema::parse_json(patch));
  return out ? schema::serialize_json(*out) : "error: " + out.error().message;
}

TEST(JsonPatch, EveryOperationFollowsTheStandard) {
  EXPECT_EQ(
      json_patched(
          R"({"a":1})",
          R"([{"op":"add","path":"/b","value":[1]},{"op":"add","path":"/b/0","value":0},{"op":"add","path":"/b/-","value":2}])"),
      R"({"a":1,"b":[0,1,2]})");
  EXPECT_EQ(json_patched(R"({"a":1,"b":2,"c":3})", R"([{"op":"remove","path":"/a"}])"), R"({"b":2,"c":3})");
  EXPECT_EQ(json_patched(R"({"a/b":{"~":1}})", R"([{"op":"replace","path":"/a~1b/~0","value":2}])"),
            R"({"a/b":{"~":2}})");
  EXPECT_EQ(
      json_patched(R"({"a":{"x":1}})",
                   R"([{"op":"move","from":"/a/x","path":"/y"},{"op":"copy","from":"/y","path":"/z"}])"),
      R"({"a":{},"y":1,"z":1})");
  EXPECT_EQ(json_patched(R"({"a":[1,2,3]})",
                         R"([{"op":"test","path":"/a/1","value":2},{"op":"remove","path":"/a/1"}])"),
            R"({"a":[1,3]})");
}

TEST(JsonPatch, ErrorsAreThoseUpstreamPrints) {
  EXPECT_EQ(json_patched("{}", R"([{"op":"replace","path":"/a","value":1}])"),
            "error: replace operation does not apply: doc is missing key: /a: missing value");
  EXPECT_EQ(json_patched("{}", R"([{"op":"remove","path":"/a"}])"),
            "error: error in remove for path: '/a': Unable to remove nonexistent key: a: missing value");
  EXPECT_EQ(json_patched("{}", R"([{"op":"add","path":"/a/b","value":1}])"),
            "error: add operation does not apply: doc is missing path: \"/a/b\": missing value");
  EXPECT_EQ(json_patched(R"({"a":1})", R"([{"op":"test","path":"/a","value":2}])"),
            "error: testing value /a failed: test failed");
  EXPECT_EQ(json_patched(R"({"a":[]})", R"([{"op":"add","path":"/a/3","value":2}])"),
            "error: Unable to access invalid index: 3: invalid index referenced");
}

TEST(MergePatch, FollowsTheExamplesOfTheStandard) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
  };
  for (const auto& [document, patch, expected] : cases) {
    EXPECT_EQ(schema::serialize_json(
                  schema::apply_merge_patch(*schema::parse_json(document), *schema::parse_json(patch))),
              expected);
  }
}

std::string strategic(std::string_view kind, std::string_view document, std::string_view patch) {
  const auto* schema = api::find_kind(kind == "Deployment" ? "apps/v1" : "v1", kind);
  auto out =
      schema::apply_strategic_merge_patch(*schema::parse_json(document), *schema::parse_json(patch), *schema);
  return out ? schema::serialize_json(*out) : "error: " + out.error().message;
}

TEST(StrategicMergePatch, ListsMergeByKey) {
  EXPECT_EQ(strategic("Pod", R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}})",
                      R"({"spec":{"containers":[{"name":"b","image":"3"}]}})"),
            R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"}]}})");
  EXPECT_EQ(
      strategic(
          "Pod", R"({"spec":{"containers":[{"name":"a","args":["x"]}],"tolerations":[{"key":"k"}]}})",
          R"({"spec":{"containers":[{"name":"a","args":["y"]},{"name":"c"}],"tolerations":[{"key":"l"}]}})"),
      R"({"spec":{"containers":[{"name":"a","args":["y"]},{"name":"c"}],"tolerations":[{"key":"l"}]}})");
}

TEST(StrategicMergePatch, DirectivesDeleteReplaceAndRetain) {
  EXPECT_EQ(strategic("Pod", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                      R"({"spec":{"containers":[{"$patch":"delete","name":"a"}]}})"),
            R"({"spec":{"containers":[{"name":"b"}]}})");
  EXPECT_EQ(strategic("Pod", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
                      R"({"spec":{"containers":[{"$patch":"replace"},{"name":"z"}]}})"),
            R"({"spec":{"containers":[{"name":"z"}]}})");
  EXPECT_EQ(strategic("Deployment",
                      R"({"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}})",
                      R"({"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}})"),
            R"({"spec":{"strategy":{"type":"Recreate"}}})");
  EXPECT_EQ(strategic("Pod", R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
                      R"({"metadata":{"labels":{"$patch":"replace","c":"3"}}})"),
            R"({"metadata":{"labels":{"c":"3"}}})");
  EXPECT_EQ(strategic("Pod", R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
                      R"({"metadata":{"labels":{"a":null}}})"),
            R"({"metadata":{"labels":{"b":"2"}}})");
}

TEST(StrategicMergePatch, PrimitiveListsMergeAsSetsAndCanLoseItems) {
  EXPECT_EQ(strategic("Pod", R"({"metadata":{"finalizers":["a","b"]}})",
                      R"({"metadata":{"finalizers":["b","c"]}})"),
            R"({"metadata":{"finalizers":["a","b","c"]}})");
  EXPECT_EQ(
      strategic(
          "Pod", R"({"metadata":{"finalizers":["a","b","c"]}})",
          R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["b"],"$setElementOrder/finalizers":["c","a"]}})"),
      R"({"metadata":{"finalizers":["c","a"]}})");
}

TEST(StrategicMergePatch, SetElementOrderMovesItems) {
  EXPECT_EQ(
      strategic(
          "Pod", R"({"spec":{"containers":[{"name":"a"},{"name":"server"},{"name":"b"}]}})",
          R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"b","image":"x"}]}})"),
      // An item that only the server knows stays in front of those it stood in front of.
      R"({"spec":{"containers":[{"name":"server"},{"name":"b","image":"x"},{"name":"a"}]}})");
}

TEST(StrategicMergePatch, AMissingMergeKeyIsRefused) {
  EXPECT_EQ(strategic("Pod", R"({"spec":{"containers":[{"name":"a"}]}})",
                      R"({"spec":{"containers":[{"image":"x"}]}})"),
            R"(error: map: {"image":"x"} does not contain declared merge key: name)");
}

}  // namespace
}  // namespace cloudless
