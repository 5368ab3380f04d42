// Who sees that a definition is established finds its resource everywhere at once.
#include "apiserver/custom/definitions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/test_server.hpp"

namespace cloudless::apiserver {
namespace {

using ::testing::HasSubstr;
using testing::TestResponse;
using testing::TestServer;

constexpr const char* kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

std::string definition(const std::string& plural, const std::string& kind) {
  return fmt::format(
      R"({{"metadata":{{"name":"{0}.example.com"}},"spec":{{"group":"example.com","scope":"Namespaced",
          "names":{{"plural":"{0}","kind":"{1}"}},"versions":[{{"name":"v1","served":true,"storage":true,
          "additionalPrinterColumns":[{{"name":"Size","type":"integer","jsonPath":".spec.size"}}],
          "schema":{{"openAPIV3Schema":{{"type":"object","properties":{{"spec":{{"type":"object",
            "properties":{{"size":{{"type":"integer","description":"How large {1} is."}}}}}}}}}}}}}}]}}}})",
      plural, kind);
}

runtime::Task<std::string> watch_until(net::Transport& transport, std::string target, std::string wanted) {
  net::Request request{.target = std::move(target)};
  Result<net::Response> response = co_await transport.send(std::move(request));
  std::string stream;
  while (response && !stream.contains(wanted)) {
    const auto piece = co_await response->body->next();
    if (!piece || !*piece) break;
    stream += ***piece;
  }
  co_return stream;
}

class DefinitionsTest : public ::testing::Test {
 public:
  ~DefinitionsTest() override { server_.run(transport_->stop()); }

 protected:
  DefinitionsTest() : transport_(server_.transport()) {}

  void create(const std::string& plural, const std::string& kind) {
    const TestResponse answer = server_.call("POST", kDefinitions, definition(plural, kind));
    ASSERT_EQ(answer.status, 201) << answer.body;
  }
  // What a watch of the one definition tells up to that text.
  std::string await(const std::string& plural, const std::string& wanted) {
    const std::string target = fmt::format(
        "{}?watch=true&timeoutSeconds=60&fieldSelector=metadata.name%3D{}.example.com", kDefinitions, plural);
    return server_.run(watch_until(*transport_, target, wanted));
  }
  std::string get(const std::string& target, const std::string& accept = "application/json") {
    const TestResponse answer = server_.call("GET", target, "", "", accept);
    EXPECT_EQ(answer.status, 200) << target << ": " << answer.body;
    return answer.body;
  }

  TestServer server_;
  std::unique_ptr<net::InProcessTransport> transport_;
};

constexpr const char* kEstablished =
    R"("reason":"InitialNamesAccepted","message":"the initial names have been accepted")";

TEST_F(DefinitionsTest, OnceEstablishedItIsServedPrintedDescribedAndDiscovered) {
  // What was built before must not be shown again.
  for (const char* path : {"/apis", "/openapi/v2", "/openapi/v3"}) get(path);
  for (int i = 0; i < 5; ++i) {
    const std::string plural = fmt::format("things{}", i);
    const std::string kind = fmt::format("Thing{}", i);
    create(plural, kind);
    ASSERT_THAT(await(plural, kEstablished), HasSubstr(kEstablished));

    const std::string path = "/apis/example.com/v1/namespaces/default/" + plural;
    EXPECT_THAT(get("/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
                HasSubstr(fmt::format(R"("resource":"{}")", plural)));
    EXPECT_THAT(get("/apis"), HasSubstr(R"("name":"example.com")"));
    EXPECT_THAT(get("/apis/example.com/v1"), HasSubstr(fmt::format(R"("name":"{}")", plural)));
    const json::value index = json::parse(get("/openapi/v3"));
    const json::string& part =
        index.at("paths").at("apis/example.com/v1").at("serverRelativeURL").as_string();
    EXPECT_THAT(get(std::string(part)), HasSubstr(fmt::format("How large {} is.", kind)));
    EXPECT_THAT(get("/openapi/v2"), HasSubstr(fmt::format("How large {} is.", kind)));
    EXPECT_THAT(get(path, "application/json;as=Table;v=v1;g=meta.k8s.io"), HasSubstr(R"("name":"Size")"));
    const std::string object =
        fmt::format(R"({{"apiVersion":"example.com/v1","kind":"{}","metadata":{{"name":"a"}}}})", kind);
    EXPECT_EQ(server_.call("POST", path, object).status, 201);
  }
}

TEST_F(DefinitionsTest, NamesAreGivenOnceAndToTheNextWhenTheyGo) {
  create("things", "Thing");
  ASSERT_THAT(await("things", kEstablished), HasSubstr(kEstablished));
  create("others", "Thing");
  EXPECT_THAT(await("others", R"("reason":"ListKindConflict")"),
              HasSubstr(R"(\"ThingList\" is already in use)"));
  EXPECT_EQ(server_.call("GET", "/apis/example.com/v1/namespaces/default/others").status, 404);
  EXPECT_EQ(server_.call("DELETE", std::string(kDefinitions) + "/things.example.com").status, 200);
  ASSERT_THAT(await("others", kEstablished), HasSubstr(kEstablished));
  get("/apis/example.com/v1/namespaces/default/others");
}

}  // namespace
}  // namespace cloudless::apiserver
