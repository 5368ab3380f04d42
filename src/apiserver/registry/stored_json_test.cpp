#include "apiserver/registry/stored_json.hpp"

#include <gtest/gtest.h>

namespace cloudless::apiserver {
namespace {

TEST(StoredJson, TheVersionGoesBehindTheUid) {
  EXPECT_EQ(
      *with_resource_version(
          R"({"kind":"Pod","metadata":{"name":"a","uid":"u","labels":{"x":"}"}},"spec":{}})", 7),
      R"({"kind":"Pod","metadata":{"name":"a","uid":"u","resourceVersion":"7","labels":{"x":"}"}},"spec":{}})");
}

TEST(StoredJson, WithoutUidTheVersionEndsTheMetadata) {
  EXPECT_EQ(*with_resource_version(R"({"metadata":{"name":"a\"}"}})", 7),
            R"({"metadata":{"name":"a\"}","resourceVersion":"7"}})");
  EXPECT_EQ(*with_resource_version(R"({"metadata":{}})", 7), R"({"metadata":{"resourceVersion":"7"}})");
}

TEST(StoredJson, AVersionThatIsThereIsReplaced) {
  EXPECT_EQ(*with_resource_version(R"({"metadata":{"uid":"u","resourceVersion":"3"}})", 12),
            R"({"metadata":{"uid":"u","resourceVersion":"12"}})");
}

TEST(StoredJson, ANestedMetadataIsNotTheObjects) {
  EXPECT_EQ(*with_resource_version(R"({"spec":{"metadata":{"uid":"x"}},"metadata":{"uid":"u"}})", 1),
            R"({"spec":{"metadata":{"uid":"x"}},"metadata":{"uid":"u","resourceVersion":"1"}})");
}

TEST(StoredJson, DamagedTextIsRefused) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"metadata":{"uid":"u)", R"({"metadata":3})", R"({"metadata":{"a" 1}})"}) {
    EXPECT_EQ(with_resource_version(text, 1).error().code, Code::kDataLoss) << text;
  }
}

TEST(StoredJson, TheApiVersionIsExchanged) {
  EXPECT_EQ(*replace_api_version(R"({"apiVersion":"a/v1","kind":"K","metadata":{}})", "a/v2"),
            R"({"apiVersion":"a/v2","kind":"K","metadata":{}})");
}

}  // namespace
}  // namespace cloudless::apiserver
