#include "schema/normalize.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/registry.hpp"
#include "schema/json.hpp"

namespace cloudless {
namespace {

std::string normalized(std::string_view api_version, std::string_view kind, std::string_view text,
                       std::vector<std::string>* strict = nullptr) {
  auto value = schema::decode_json(text, *api::find_kind(api_version, kind), {strict});
  return value ? schema::serialize_json(*value) : "error: " + value.error().message;
}

TEST(Normalize, AnObjectComesBackAsGoWouldWriteIt) {
  EXPECT_EQ(
      normalized("v1", "Pod",
                 R"({"spec":{"containers":[{"image":"b","name":"a","resources":{"limits":{"memory":
      "1024Mi","cpu":0.5}}}],"hostNetwork":false},"metadata":{"name":"x","unknown":1,"labels":{"b":"1","a":"2"}}})"),
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","labels":{"a":"2","b":"1"}},"spec":{"containers":)"
      R"([{"name":"a","image":"b","resources":{"limits":{"cpu":"500m","memory":"1Gi"}}}]},"status":{}})");
  EXPECT_EQ(normalized("v1", "Pod", "{}"),
            R"({"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":null},"status":{}})");
}

TEST(Normalize, TwiceIsOnce) {
  const auto* kind = api::find_kind("apps/v1", "Deployment");
  auto once = schema::decode_json(R"({"spec":{"replicas":0,"template":{"spec":{"volumes":[null]}}}})", *kind);
  ASSERT_TRUE(once);
  EXPECT_EQ(schema::serialize_json(*schema::normalize(*once, *kind)), schema::serialize_json(*once));
}

TEST(Normalize, StrictDecodingNamesUnknownAndDuplicateFields) {
  std::vector<std::string> strict;
  normalized(
      "apps/v1", "Deployment",
      R"({"foo":1,"spec":{"replicas":1,"replicas":2,"template":{"spec":{"containers":[{"name":"a","imag":"b"}]}}}})",
      &strict);
  EXPECT_EQ(schema::strict_decoding_error(strict),
            R"(strict decoding error: duplicate field "spec.replicas", unknown field "foo", )"
            R"(unknown field "spec.template.spec.containers[0].imag")");
}

TEST(Normalize, NamesAreCaseSensitive) {
  std::vector<std::string> strict;
  EXPECT_EQ(normalized("v1", "ConfigMap", R"({"Data":{"a":"b"}})", &strict),
            R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{}})");
  EXPECT_EQ(strict, std::vector<std::string>{R"(unknown field "Data")"});
}

TEST(Normalize, WrongValuesAreRefusedInGosWords) {
  EXPECT_EQ(normalized("v1", "ConfigMap", R"({"data":{"a":1}})"),
            "error: json: cannot unmarshal number into Go struct field ConfigMap.data of type string");
  EXPECT_EQ(normalized("v1", "Secret", R"({"data":{"a":"%%"}})"),
            "error: illegal base64 data at input byte 0");
  EXPECT_EQ(normalized("v1", "Pod", R"({"spec":{"activeDeadlineSeconds":1.5}})"),
            "error: json: cannot unmarshal number 1.5 into Go struct field "
            "PodSpec.spec.activeDeadlineSeconds of type int64");
  EXPECT_EQ(normalized("v1", "Pod", R"({"metadata":)"), "error: unexpected end of JSON input");
  EXPECT_EQ(normalized("v1", "Pod", R"({"metadata":x})"),
            "error: invalid character 'x' looking for beginning of value");
  EXPECT_EQ(normalized("v1", "Pod", "[]"),
            "error: json: cannot unmarshal array into Go value of type v1.Pod");
}

TEST(Normalize, DeepInputIsRefused) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(normalized("v1", "Pod", deep), "error: exceeded max depth");
}

}  // namespace
}  // namespace cloudless
