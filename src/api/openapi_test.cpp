#include "schema/openapi.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/meta_v1.hpp"
#include "api/registry.hpp"
#include "schema/custom_schema.hpp"
#include "schema/json.hpp"

namespace cloudless {
namespace {

namespace json = boost::json;

std::vector<schema::OpenApiResource> built_ins() {
  std::vector<schema::OpenApiResource> out;
  for (const auto& info : api::resources()) out.push_back({&info, nullptr});
  return out;
}

schema::OpenApiOptions options() { return {.version = "v1.35.0", .types = api::types()}; }

/// Every "$ref" in `value` leads to one of `names`.
void expect_resolved(const json::value& value, const json::object& names) {
  if (const auto* array = value.if_array()) {
    for (const auto& item : *array) expect_resolved(item, names);
  } else if (const auto* object = value.if_object()) {
    for (const auto& [key, member] : *object) {
      if (key == "$ref" && member.is_string()) {
        const std::string target(member.as_string());
        EXPECT_TRUE(names.contains(target.substr(target.rfind('/') + 1))) << target;
      } else {
        expect_resolved(member, names);
      }
    }
  }
}

TEST(OpenApi, Version2DescribesEveryKindWithItsExtensions) {
  const auto document = schema::openapi_v2(built_ins(), options());
  const auto& definitions = document.at("definitions").as_object();
  expect_resolved(document, definitions);
  const auto& pod = definitions.at("io.k8s.api.core.v1.Pod");
  EXPECT_EQ(schema::serialize_json(pod.at("x-kubernetes-group-version-kind")),
            R"([{"group":"","kind":"Pod","version":"v1"}])");
  const auto& containers = definitions.at("io.k8s.api.core.v1.PodSpec").at("properties").at("containers");
  EXPECT_EQ(containers.at("x-kubernetes-patch-merge-key"), "name");
  EXPECT_EQ(containers.at("x-kubernetes-list-type"), "map");
  EXPECT_EQ(document.at("paths")
                .at("/api/v1/namespaces/{namespace}/pods/{name}")
                .at("patch")
                .at("x-kubernetes-action"),
            "patch");
  EXPECT_EQ(document.at("paths")
                .at("/apis/apps/v1/namespaces/{namespace}/deployments")
                .at("get")
                .at("x-kubernetes-action"),
            "list");
}

TEST(OpenApi, Version3IsCompleteForEachGroup) {
  for (const auto& [group, version] :
       {std::pair{"", "v1"}, std::pair{"apps", "v1"}, std::pair{"apiextensions.k8s.io", "v1"}}) {
    const auto document = schema::openapi_v3(group, version, built_ins(), options());
    expect_resolved(document, document.at("components").at("schemas").as_object());
    EXPECT_GT(document.at("paths").as_object().size(), 1u);
  }
}

TEST(OpenApi, CustomResourcesCarryTheirOwnSchema) {
  const auto open_api = *schema::parse_json(
      R"({"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"}}}}})");
  auto custom = *schema::CustomSchema::make("example.com", "v1", "Widget", open_api,
                                            api::meta::v1::ObjectMeta::describe());
  const std::string_view verbs[] = {"create", "get", "list"};
  const schema::ResourceInfo info{.group = "example.com",
                                  .version = "v1",
                                  .resource = "widgets",
                                  .singular = "widget",
                                  .kind = "Widget",
                                  .kind_group = "example.com",
                                  .kind_version = "v1",
                                  .namespaced = true,
                                  .verbs = verbs,
                                  .schema = &custom->root(),
                                  .request_schema = &custom->root()};
  const schema::OpenApiResource resource{&info, &open_api};
  const auto document = schema::openapi_v3("example.com", "v1", {&resource, 1}, options());
  const auto& schemas = document.at("components").at("schemas").as_object();
  expect_resolved(document, schemas);
  EXPECT_EQ(
      schemas.at("com.example.v1.Widget").at("properties").at("spec").at("properties").at("size").at("type"),
      "integer");
}

TEST(OpenApi, TheProtobufFormHoldsTheSameDefinitions) {
  const json::value document = json::object{{"swagger", "2.0"},
                                            {"info", {{"title", "K"}, {"version", "v"}}},
                                            {"paths", json::object()},
                                            {"definitions", {{"A", {{"type", "object"}, {"x-k", "y"}}}}}};
  // Document{1:"2.0", 2:Info{1:"K",2:"v"}, 8:Paths{}, 9:Definitions{1:NamedSchema{1:"A",2:Schema{22:TypeItem,
  // 31:NamedAny}}}}
  const std::string expected =
      std::string("\x0a\x03") + "2.0" + "\x12\x06\x0a\x01K\x12\x01v" + std::string("\x42\x00", 2) +
      "\x4a\x22\x0a\x20\x0a\x01"
      "A\x12\x1b" +
      "\xb2\x01\x08\x0a\x06object" + "\xfa\x01\x0d\x0a\x03x-k\x12\x06\x12\x04\"y\"\n";
  EXPECT_EQ(schema::openapi_v2_protobuf(document), expected);
}

}  // namespace
}  // namespace cloudless
