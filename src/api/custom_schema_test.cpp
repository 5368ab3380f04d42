#include "schema/custom_schema.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/meta_v1.hpp"
#include "schema/defaulting.hpp"
#include "schema/json.hpp"
#include "schema/managed_fields.hpp"
#include "schema/normalize.hpp"
#include "schema/validation.hpp"

namespace cloudless {
namespace {

namespace json = boost::json;

std::shared_ptr<const schema::CustomSchema> custom(std::string_view open_api) {
  auto made = schema::CustomSchema::make("example.com", "v1", "Widget", *schema::parse_json(open_api),
                                         api::meta::v1::ObjectMeta::describe());
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

constexpr std::string_view kWidget =
    R"({"type":"object","required":["spec"],"properties":{"spec":{"type":"object","required":["size"],
  "properties":{"size":{"type":"integer","minimum":1,"maximum":10,"default":3},"color":{"type":"string","enum":["red","blue"]},
  "name":{"type":"string","pattern":"^[a-z]+$","maxLength":5},"port":{"x-kubernetes-int-or-string":true},
  "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
  "labels":{"type":"object","additionalProperties":{"type":"string"}},
  "tags":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set"},
  "parts":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["id"],
    "items":{"type":"object","properties":{"id":{"type":"string"},"on":{"type":"boolean","default":true}}}},
  "either":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"oneOf":[{"required":["a"]},{"required":["b"]}]},
  "when":{"type":"string","format":"date-time","nullable":true}}}}})";

std::vector<std::string> complaints(std::string_view object) {
  const auto schema = custom(kWidget);
  std::vector<std::string> out;
  for (const auto& error :
       schema::validate_custom(*schema::parse_json(object), schema->root(), schema::Path())) {
    out.push_back(error.message());
  }
  return out;
}

TEST(CustomSchema, UnknownFieldsArePrunedAndReported) {
  const auto schema = custom(kWidget);
  std::vector<std::string> strict;
  const auto value = schema::decode_json(
      R"({"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"w","foo":1},"spec":{"zzz":1,"size":2,"free":{"a":{"b":1}},"labels":{"x":"y"},"parts":[{"id":"a","bad":1}]}})",
      schema->root(), {&strict});
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(
      schema::serialize_json(*value),
      R"({"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"free":{"a":{"b":1}},"labels":{"x":"y"},"parts":[{"id":"a"}],"size":2}})");
  EXPECT_EQ(
      schema::strict_decoding_error(strict),
      R"(strict decoding error: unknown field "metadata.foo", unknown field "spec.zzz", unknown field "spec.parts[0].bad")");
}

TEST(CustomSchema, DefaultsFillInEverywhere) {
  const auto schema = custom(kWidget);
  json::value value = *schema::parse_json(R"({"spec":{"parts":[{"id":"a"},{"id":"b","on":false}]}})");
  schema::apply_defaults(value, schema->root());
  EXPECT_EQ(schema::serialize_json(value),
            R"({"spec":{"parts":[{"id":"a","on":true},{"id":"b","on":false}],"size":3}})");
}

TEST(CustomSchema, EveryKeywordComplainsInUpstreamsWords) {
  using V = std::vector<std::string>;
  EXPECT_EQ(complaints("{}"), V{"spec: Required value"});
  EXPECT_EQ(complaints(R"({"spec":{"size":0}})"),
            V{"spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"});
  EXPECT_EQ(complaints(R"({"spec":{"size":"x"}})"),
            V{R"(spec.size: Invalid value: "string": spec.size in body must be of type integer: "string")"});
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"color":"green"}})"),
            V{R"(spec.color: Unsupported value: "green": supported values: "red", "blue")"});
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"name":"A"}})"),
            V{R"(spec.name: Invalid value: "A": spec.name in body should match '^[a-z]+$')"});
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"name":"abcdef"}})"),
            V{"spec.name: Too long: may not be more than 5 bytes"});
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"tags":["a","a"]}})"),
            V{R"(spec.tags[1]: Duplicate value: "a")"});
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"parts":[{"id":"a"},{"id":"a","on":true}]}})"),
            V{R"(spec.parts[1]: Duplicate value: {"id":"a"})"});
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"either":{"a":"1","b":"2"}}})").size(), 1u);
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"either":{"a":"1"},"port":"http","when":null}})"), V{});
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"when":"now"}})"),
            V{R"(spec.when: Invalid value: "now": spec.when in body must be of type date-time: "now")"});
  EXPECT_EQ(complaints(R"({"spec":{"size":1,"port":true}})").size(), 1u);
}

TEST(CustomSchema, ASchemaThatIsNotStructuralIsRefused) {
  const auto errors = schema::validate_structural(
      *schema::parse_json(
          R"({"type":"object","properties":{"a":{},"b":{"type":"array"},"c":{"type":"object","$ref":"x"}}})"),
      schema::Path("spec.versions[0].schema.openAPIV3Schema"));
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0].message(),
            "spec.versions[0].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty "
            "for specified object fields");
  EXPECT_TRUE(schema::validate_structural(*schema::parse_json(kWidget), schema::Path("x")).empty());
}

TEST(CustomSchema, APatternThatDoesNotCompileIsRefused) {
  const auto errors = schema::validate_structural(
      *schema::parse_json(R"({"type":"object","properties":{"a":{"type":"string","pattern":"(x"}}})"),
      schema::Path("schema"));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(
      errors[0].message(),
      "schema.properties[a].pattern: Invalid value: \"(x\": must be a valid regular expression, but isn't: "
      "error parsing regexp: missing ): (x");
}

// A backtracking engine needs longer than the universe has for this one.
TEST(CustomSchema, APatternIsMatchedInLinearTime) {
  const auto schema = custom(
      R"({"type":"object","properties":{"spec":{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}}})");
  const json::object object{{"spec", {{"a", std::string(5000, 'a') + "!"}}}};
  EXPECT_EQ(schema::validate_custom(object, schema->root(), schema::Path()).size(), 1u);
}

TEST(CustomSchema, ServerSideApplyMergesByItsListTypes) {
  const auto schema = custom(kWidget);
  const WallTime now{std::chrono::seconds(1)};
  const auto apply = [&](const json::value& live, std::string_view config, const char* manager) {
    auto out = schema::apply(live, *schema::parse_json(config), schema->root(),
                             {manager, "example.com/v1", ""}, schema::Force::kNo, now, nullptr);
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : json::value();
  };
  const auto first = apply(
      nullptr, R"({"metadata":{"name":"w"},"spec":{"tags":["a"],"parts":[{"id":"a","on":true}]}})", "one");
  const auto second =
      apply(first, R"({"metadata":{"name":"w"},"spec":{"tags":["b"],"parts":[{"id":"b"}]}})", "two");
  EXPECT_EQ(schema::serialize_json(second.at("spec")),
            R"({"parts":[{"id":"a","on":true},{"id":"b"}],"tags":["a","b"]})");
  const auto third = apply(second, R"({"metadata":{"name":"w"},"spec":{}})", "one");
  EXPECT_EQ(schema::serialize_json(third.at("spec")), R"({"parts":[{"id":"b"}],"tags":["b"]})");
}

}  // namespace
}  // namespace cloudless
