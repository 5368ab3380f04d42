// Every kind with every field set survives every format, and the struct of the kind.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/apiextensions_v1.hpp"
#include "api/core_v1.hpp"
#include "api/registry.hpp"
#include "api/testing/filler.hpp"
#include "base/encoding.hpp"
#include "schema/codec.hpp"
#include "schema/json.hpp"
#include "schema/protobuf.hpp"
#include "schema/struct_codec.hpp"
#include "schema/yaml.hpp"

namespace cloudless {
namespace {

namespace json = boost::json;
using schema::Schema;

json::value full_object(const Schema& kind) { return api::testing::Filler().object(kind); }

class EveryKind : public ::testing::TestWithParam<const Schema*> {};

TEST_P(EveryKind, KeepsEveryFieldThroughEveryFormat) {
  const Schema& kind = *GetParam();
  const json::value object = full_object(kind);
  const std::string text = schema::serialize_json(object);

  auto json_back = schema::decode_body(schema::Format::kJson, text, kind);
  ASSERT_TRUE(json_back) << json_back.error().message;
  EXPECT_EQ(schema::serialize_json(*json_back), text);

  auto yaml_back = schema::decode_body(schema::Format::kYaml, schema::serialize_yaml(object), kind);
  ASSERT_TRUE(yaml_back) << yaml_back.error().message;
  EXPECT_EQ(schema::serialize_json(*yaml_back), text);

  if (kind.wire.empty()) return;  // Table has no protobuf form
  auto bytes = schema::encode_protobuf(object, kind);
  ASSERT_TRUE(bytes) << bytes.error().message;
  auto proto_back = schema::decode_body(schema::Format::kProtobuf, *bytes, kind);
  ASSERT_TRUE(proto_back) << proto_back.error().message;
  EXPECT_EQ(schema::serialize_json(*proto_back), text);
  EXPECT_EQ(*schema::encode_protobuf(*proto_back, kind), *bytes);
}

TEST_P(EveryKind, DoesNotFailOnTruncatedProtobuf) {
  const Schema& kind = *GetParam();
  if (kind.wire.empty()) return;
  auto bytes = schema::encode_protobuf(full_object(kind), kind);
  ASSERT_TRUE(bytes);
  for (size_t size = 0; size < bytes->size(); size += 1 + bytes->size() / 97) {
    (void)schema::decode_protobuf(std::string_view(*bytes).substr(0, size), kind);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryKind, ::testing::ValuesIn([] {
                           std::vector<const Schema*> kinds;
                           for (const Schema* type : api::types()) {
                             if (type->is_kind) kinds.push_back(type);
                           }
                           return kinds;
                         }()),
                         [](const auto& info) {
                           std::string name = std::string(info.param->group) + "_" +
                                              std::string(info.param->version) + "_" +
                                              std::string(info.param->name);
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(Structs, HoldEveryFieldOfAPodAndADefinition) {
  const json::value pod = full_object(api::core::v1::Pod::describe());
  auto typed = schema::decode<api::core::v1::Pod>(schema::serialize_json(pod));
  ASSERT_TRUE(typed) << typed.error().message;
  EXPECT_EQ(schema::encode(*typed), schema::serialize_json(pod));
  using Definition = api::apiextensions::v1::CustomResourceDefinition;
  const json::value definition = full_object(Definition::describe());
  auto typed_definition = schema::from_value<Definition>(definition);
  ASSERT_TRUE(typed_definition) << typed_definition.error().message;
  EXPECT_EQ(schema::encode(*typed_definition), schema::serialize_json(definition));
}

TEST(Protobuf, BytesAreThoseOfGosGeneratedCode) {
  // A ConfigMap written out by hand from generated.proto: metadata = 1 (ObjectMeta: every non-pointer scalar
  // and struct is written), data = 2.
  const auto object = *schema::decode_json(
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"}})",
      *api::find_kind("v1", "ConfigMap"));
  auto bytes = schema::encode_protobuf(object, *api::find_kind("v1", "ConfigMap"));
  ASSERT_TRUE(bytes);
  EXPECT_EQ(hex_encode(*bytes),
            "6b387300"  // magic
            "0a0f"
            "0a027631"
            "1209436f6e6669674d6170"  // TypeMeta: v1, ConfigMap
            "121b"                    // raw, 27 bytes
            "0a11"                    // metadata, 17 bytes
            "0a0161"
            "1200"
            "1a00"
            "2200"
            "2a00"
            "3200"
            "3800"
            "4200"
            "1206"
            "0a016b"
            "120176"  // data entry k = v
            "1a00"
            "2200");  // encoding, content type
}

TEST(Protobuf, ListsAreMadeOfEncodedItems) {
  const auto& kind = *api::find_kind("v1", "Namespace");
  const auto& list_kind = *api::find_kind("v1", "NamespaceList");
  const auto item = *schema::decode_json(R"({"metadata":{"name":"a"}})", kind);
  const auto list = *schema::decode_json(
      R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}}]})", list_kind);
  const std::string bytes = *schema::encode_item(item, kind);
  const auto head = schema::encode_list_head(
      {"v1", "NamespaceList"}, list.at("metadata"),
      *api::find_type("k8s.io.apimachinery.pkg.apis.meta.v1", "ListMeta"), bytes.size());
  ASSERT_TRUE(head);
  EXPECT_EQ(hex_encode(*head + bytes + std::string(schema::kEnvelopeEnd)),
            hex_encode(*schema::encode_protobuf(list, list_kind)));
  EXPECT_EQ(hex_encode(schema::wrap_item({"v1", "Namespace"}, bytes)),
            hex_encode(*schema::encode_protobuf(item, kind)));
}

}  // namespace
}  // namespace cloudless
