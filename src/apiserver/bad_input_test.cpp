// Malformed requests get upstream's status, reason and words, and nothing partial is stored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/raw_client.hpp"
#include "apiserver/testing/test_server.hpp"
#include "schema/json.hpp"

namespace cloudless::apiserver {
namespace {

using ::testing::HasSubstr;
using testing::RawClient;
using testing::TestResponse;
using testing::TestServer;

constexpr const char* kConfigMaps = "/api/v1/namespaces/default/configmaps";
constexpr const char* kExisting = "/api/v1/namespaces/default/configmaps/there";
constexpr const char* kPods = "/api/v1/namespaces/default/pods";

struct Case {
  const char* method;
  std::string target;
  std::string type;  // of the body; empty: JSON
  std::string body;
  int status;
  const char* reason;  // of the Status
  const char* words;   // part of its message
  std::string accept = "application/json";
};

std::string map(const std::string& rest) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"})" + rest + "}";
}

class BadInput : public ::testing::Test {
 protected:
  BadInput() { EXPECT_EQ(server_.call("POST", kConfigMaps, R"({"metadata":{"name":"there"}})").status, 201); }

  void run(const std::vector<Case>& cases) {
    const std::string before = stored();
    for (const Case& each : cases) {
      SCOPED_TRACE(fmt::format("{} {} {}", each.method, each.target, each.body.substr(0, 200)));
      const TestResponse answer =
          server_.call(each.method, each.target, each.body,
                       each.type.empty() ? "application/json" : each.type, each.accept);
      EXPECT_EQ(answer.status, each.status) << answer.body;
      json::error_code error;
      const json::value status = json::parse(answer.body, error);
      ASSERT_TRUE(!error && status.is_object()) << answer.body;
      EXPECT_EQ(text_at(status.get_object(), {"kind"}), "Status");
      EXPECT_EQ(text_at(status.get_object(), {"status"}), "Failure");
      EXPECT_EQ(number_at(status.get_object(), {"code"}), each.status);
      EXPECT_EQ(text_at(status.get_object(), {"reason"}), each.reason);
      EXPECT_THAT(std::string(text_at(status.get_object(), {"message"})), HasSubstr(each.words));
    }
    EXPECT_EQ(stored(), before) << "something was stored";
  }

  // All that is stored of the kind that the requests are about.
  std::string stored() {
    const json::value list = json::parse(server_.call("GET", kConfigMaps).body);
    return json::serialize(list.at("items"));
  }

  TestServer server_;
};

TEST_F(BadInput, BodiesThatAreNoObjects) {
  run({
      {"POST", kConfigMaps, "", "{", 400, "BadRequest",
       "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json "
       "parse error: unexpected end of JSON input ({)"},
      {"POST", kConfigMaps, "", "[]", 400, "BadRequest", "cannot unmarshal array into Go value"},
      {"POST", kConfigMaps, "", "\"text\"", 400, "BadRequest", "cannot unmarshal string into Go value"},
      {"POST", kConfigMaps, "", "{\"apiVersion\":\"v1\",}", 400, "BadRequest",
       "invalid character '}' looking for beginning of object key string"},
      {"POST", kConfigMaps, "", "{} {}", 400, "BadRequest", "invalid character '{' after top-level value"},
      {"POST", kConfigMaps, "application/yaml", "a: [b", 400, "BadRequest", "yaml"},
      {"POST", kConfigMaps, "application/yaml", "a: *b", 400, "BadRequest", "yaml"},
      {"POST", kConfigMaps, "application/vnd.kubernetes.protobuf", "k8s", 400, "BadRequest",
       "the object provided is unrecognized (must be of type ConfigMap)"},
      {"POST", kConfigMaps, "application/vnd.kubernetes.protobuf", std::string("k8s\0\x0a\xff", 6), 400,
       "BadRequest", "unexpected EOF"},
      {"POST", kConfigMaps, "text/plain", "x", 415, "UnsupportedMediaType",
       "the body of the request was in an unknown format - accepted media types include: application/json, "
       "application/yaml, application/vnd.kubernetes.protobuf"},
      {"POST", kConfigMaps, "", R"({"kind":"Pod","apiVersion":"v1"})", 400, "BadRequest",
       "Pod in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): "
       "unknown conversion"},
      {"POST", kConfigMaps, "", R"({"kind":"Secret","apiVersion":"v9"})", 400, "BadRequest",
       "Secret in version \"v9\" cannot be handled as a ConfigMap: no kind \"Secret\" is registered for "
       "version \"v9\" in scheme"},
      {"POST", kConfigMaps, "", map(R"(,"data":{"a":1})"), 400, "BadRequest",
       "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go "
       "struct field ConfigMap.data of type string"},
      {"POST", kConfigMaps, "", map(R"(,"data":[])"), 400, "BadRequest",
       "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string"},
      {"POST", kConfigMaps, "", map(R"(,"binaryData":{"a":"%%"})"), 400, "BadRequest",
       "illegal base64 data at input byte 0"},
      {"POST", kConfigMaps, "", R"({"metadata":{"name":"a","creationTimestamp":"yesterday"}})", 400,
       "BadRequest", "parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\""},
      {"POST", kConfigMaps, "", R"({"metadata":{}})", 422, "Invalid", "name or generateName is required"},
      {"POST", kConfigMaps, "", R"({"metadata":{"name":"Ä"}})", 422, "Invalid",
       "a lowercase RFC 1123 subdomain must consist of"},
      {"POST", kConfigMaps, "", R"({"metadata":{"name":"a","namespace":"other"}})", 400, "BadRequest",
       "the namespace of the provided object does not match the namespace sent on the request"},
      {"POST", kConfigMaps, "", R"({"metadata":{"name":"a","labels":{"a b":"c"}}})", 422, "Invalid",
       "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters"},
      {"POST", std::string(kConfigMaps) + "?fieldValidation=Strict", "",
       map(R"(,"x":1,"data":{"a":"b","a":"c"})"), 400, "BadRequest", "strict decoding error: "},
      {"POST", kExisting, "", map(""), 405, "MethodNotAllowed",
       "the server does not allow this method on the requested resource"},
      {"POST", kPods, "",
       R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"x","resources":{"limits":{"cpu":"lots"}}}]}})",
       400, "BadRequest",
       "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      {"POST", kPods, "", R"({"metadata":{"name":"p"},"spec":{"containers":[]}})", 422, "Invalid",
       "spec.containers: Required value"},
      {"PUT", kExisting, "", R"({"metadata":{"name":"other"}})", 400, "BadRequest",
       "the name of the object (other) does not match the name on the URL (there)"},
      {"PUT", kExisting, "", R"({"metadata":{"name":"there","resourceVersion":"999999"}})", 409, "Conflict",
       "the object has been modified"},
      {"PUT", kExisting, "", R"({"metadata":{"name":"there","uid":"7f1c1e34-5c0e-4a6a-9d0c-2f6f3a1f0001"}})",
       409, "Conflict", "Precondition failed: UID in precondition"},
      {"DELETE", kExisting, "",
       R"({"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"7f1c1e34-5c0e-4a6a-9d0c-2f6f3a1f0001"}})",
       409, "Conflict", "Precondition failed: UID in precondition"},
      {"DELETE", kExisting, "", R"({"propagationPolicy":"Sideways"})", 422, "Invalid", "Sideways"},
      {"DELETE", std::string(kConfigMaps) + "/none", "", "", 404, "NotFound",
       "configmaps \"none\" not found"},
  });
}

TEST_F(BadInput, PathsAndQueries) {
  run({
      {"GET", "/api/v1/namespaces/default/nothings", "", "", 404, "NotFound",
       "the server could not find the requested resource"},
      {"GET", "/apis/no.such/v1/things", "", "", 404, "NotFound",
       "the server could not find the requested resource"},
      {"GET", "/api/v2/pods", "", "", 404, "NotFound", "the server could not find the requested resource"},
      {"GET", std::string(kPods) + "?labelSelector=a%3D%3D%3Db", "", "", 400, "BadRequest",
       "unable to parse requirement"},
      {"GET", std::string(kPods) + "?labelSelector=a%20in%20b", "", "", 400, "BadRequest", "expected: '('"},
      {"GET", std::string(kPods) + "?fieldSelector=spec.none%3Da", "", "", 400, "BadRequest",
       "field label not supported: spec.none"},
      {"GET", std::string(kPods) + "?fieldSelector=nonsense", "", "", 400, "BadRequest",
       "invalid selector: 'nonsense'; can't understand 'nonsense'"},
      {"GET", std::string(kPods) + "?limit=x", "", "", 400, "BadRequest",
       "strconv.ParseInt: parsing \"x\": invalid syntax"},
      {"GET", std::string(kPods) + "?resourceVersion=x", "", "", 422, "Invalid",
       "resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax"},
      {"GET", std::string(kPods) + "?resourceVersionMatch=Exact", "", "", 422, "Invalid",
       "resourceVersionMatch is forbidden unless resourceVersion is provided"},
      {"GET", std::string(kPods) + "?resourceVersion=1&resourceVersionMatch=Sometimes", "", "", 422,
       "Invalid", "supported values: "},
      {"GET", std::string(kPods) + "?continue=nonsense", "", "", 400, "BadRequest",
       "continue key is not valid"},
      {"GET", std::string(kPods) + "?sendInitialEvents=true&watch=true", "", "", 422, "Invalid",
       "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"},
      {"GET",
       std::string(kPods) + "?resourceVersion=99999999&resourceVersionMatch=NotOlderThan&timeoutSeconds=1",
       "", "", 504, "Timeout", "Too large resource version: 99999999"},
      {"GET", kExisting, "", "", 406, "NotAcceptable",
       "only the following media types are accepted: application/json, application/yaml, "
       "application/vnd.kubernetes.protobuf",
       "text/html"},
      {"PATCH", kConfigMaps, "application/merge-patch+json", "{}", 405, "MethodNotAllowed", ""},
      {"PUT", std::string(kExisting) + "?dryRun=Some", "", R"({"metadata":{"name":"there"}})", 422, "Invalid",
       "dryRun: Unsupported value: \"Some\": supported values: \"All\""},
      {"PUT", std::string(kExisting) + "?fieldValidation=Some", "", R"({"metadata":{"name":"there"}})", 422,
       "Invalid", "fieldValidation: Unsupported value: \"Some\": supported values: "},
      {"GET", std::string(kExisting) + "/status", "", "", 404, "NotFound",
       "the server could not find the requested resource"},
      {"DELETE", "/api/v1/namespaces", "", "", 405, "MethodNotAllowed",
       "the server does not allow this method on the requested resource"},
  });
}

TEST_F(BadInput, Patches) {
  const std::string json = "application/json-patch+json";
  const std::string merge = "application/merge-patch+json";
  const std::string apply = "application/apply-patch+yaml";
  run({
      {"PATCH", kExisting, json, "{}", 400, "BadRequest",
       "error decoding patch: json: cannot unmarshal object into Go value of type []interface {}"},
      {"PATCH", kExisting, json, R"([{"op":"test","path":"/data/x","value":"y"}])", 422, "Invalid",
       "the server rejected our request due to an error in our request"},
      {"PATCH", kExisting, json, R"([{"op":"dance","path":"/a"}])", 422, "Invalid",
       "the server rejected our request due to an error in our request"},
      {"PATCH", kExisting, json, R"([{"op":"replace","path":"/metadata/name","value":"other"}])", 400,
       "BadRequest", "the name of the object (other) does not match the name on the URL (there)"},
      {"PATCH", kExisting, merge, "[", 400, "BadRequest",
       "error decoding patch: unexpected end of JSON input"},
      {"PATCH", kExisting, merge, R"({"data":{"a":1}})", 422, "Invalid",
       "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"},
      {"PATCH", kExisting, "application/x-patch", "{}", 415, "UnsupportedMediaType",
       "the body of the request was in an unknown format - accepted media types include: "
       "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "
       "application/apply-patch+yaml"},
      {"PATCH", std::string(kConfigMaps) + "/none", merge, "{}", 404, "NotFound",
       "configmaps \"none\" not found"},
      {"PATCH", kExisting, apply, map(""), 422, "Invalid",
       "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"},
      {"PATCH", std::string(kExisting) + "?fieldManager=m", apply, "{", 400, "BadRequest",
       "error decoding YAML"},
      {"PATCH", std::string(kExisting) + "?fieldManager=m", apply,
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"there","managedFields":[]},"x":1})", 500,
       "",
       "failed to create typed patch object (default/there; /v1, Kind=ConfigMap): .x: field not declared in "
       "schema"},
      {"PATCH", std::string(kExisting) + "?force=true", merge, "{}", 422, "Invalid",
       "force: Forbidden: may not be specified for non-apply patch"},
      {"PATCH", std::string(kExisting) + "?fieldManager=" + std::string(200, 'm'), merge, "{}", 422,
       "Invalid", "fieldManager"},
      {"PATCH", kExisting, "application/strategic-merge-patch+json", R"({"data":{"a":[1]}})", 422, "Invalid",
       "\"\" is invalid: patch: Invalid value: \"map[data:map[a:[1]]]\": "},
  });
}

TEST_F(BadInput, SizesAreBounded) {
  const std::string large = map(R"(,"data":{"a":")" + std::string(2'000'000, 'x') + R"("})");
  const std::string huge = map(R"(,"data":{"a":")" + std::string(3'200'000, 'x') + R"("})");
  const std::string deep = R"({"metadata":{"name":"a"},"data":)" + std::string(100'000, '[');
  std::string operations = "[";
  for (int i = 0; i < 10'001; ++i) operations += R"({"op":"remove","path":"/data/a"},)";
  operations.back() = ']';
  run({
      {"POST", kConfigMaps, "", large, 422, "Invalid", "Too long: may not be more than 1048576 bytes"},
      {"POST", kConfigMaps, "", huge, 413, "RequestEntityTooLarge", "limit is 3145728"},
      {"POST", kConfigMaps, "", deep, 400, "BadRequest", ""},
      {"PATCH", kExisting, "application/json-patch+json", operations, 413, "RequestEntityTooLarge",
       "The allowed maximum operations in a JSON patch is 10000, got 10001"},
  });
}

TEST_F(BadInput, YamlThatExpandsWithoutEndIsRefused) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    const char before = static_cast<char>(c - 1);
    bomb += fmt::format("{0}: &{0} [*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1}]\n", c, before);
  }
  EXPECT_EQ(server_.call("POST", kConfigMaps, bomb, "application/yaml").status, 400);
}

TEST_F(BadInput, BrokenHttpIsAnsweredAndTheConnectionClosed) {
  for (const std::string& text : {std::string("nonsense\r\n\r\n"), std::string("GET / HTTP/9.9\r\n\r\n"),
                                  std::string("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"),
                                  "GET /" + std::string(2 << 20, 'a') + " HTTP/1.1\r\n\r\n"}) {
    RawClient client(server_.url());
    client.send(text.substr(0, 64 << 10));
    if (text.size() < 100) {
      EXPECT_THAT(client.receive(), ::testing::StartsWith("HTTP/1.1 4")) << text;
    }
  }
  RawClient half(server_.url());
  half.send(
      "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      "Content-Length: 100\r\nConnection: close\r\n\r\n{\"metadata\":{\"name\":\"half\"}}");
  EXPECT_EQ(server_.call("GET", std::string(kConfigMaps) + "/half").status, 404);
}

}  // namespace
}  // namespace cloudless::apiserver
