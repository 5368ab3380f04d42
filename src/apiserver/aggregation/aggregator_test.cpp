#include "apiserver/aggregation/aggregator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/test_server.hpp"

namespace cloudless::apiserver {
namespace {

using runtime::Task;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestResponse;
using testing::TestServer;

constexpr const char* kResources = R"({"kind":"APIResourceList","apiVersion":"v1",
  "groupVersion":"metrics.k8s.io/v1beta1","resources":[
    {"name":"nodes","singularName":"","namespaced":false,"kind":"NodeMetrics","verbs":["get","list"]},
    {"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]})";

constexpr const char* kOpenApi = R"({"paths":{"apis/metrics.k8s.io/v1beta1":
    {"serverRelativeURL":"/openapi/v3/apis/metrics.k8s.io/v1beta1?hash=AB"}}})";

// An extension API server: it tells its resources, and who asked it for anything else.
Task<void> extension(net::Request request, net::ResponseWriter& response) {
  std::string body = kResources;
  if (request.path() == "/openapi/v3") {
    body = kOpenApi;
  } else if (request.path() != "/apis/metrics.k8s.io/v1beta1") {
    body = fmt::format("{} as {} in {}, token {}", request.target,
                       request.headers.get("x-remote-user").value_or("nobody"),
                       request.headers.get("x-remote-group").value_or("none"),
                       request.headers.get("authorization").value_or("none"));
  }
  (void)co_await response.respond(200, {{"content-type", "application/json"}}, {share(std::move(body))});
}

// Leads to the extension server in this process, and remembers where it was asked to go.
class FakeConnector final : public NodeConnector {
 public:
  Task<Result<std::shared_ptr<net::Transport>>> connect(const json::object&) override {
    co_return fail(Code::kUnimplemented, "no nodes");
  }
  Task<Result<std::shared_ptr<net::Transport>>> connect(std::string_view, std::string_view,
                                                        uint16_t) override {
    co_return fail(Code::kUnimplemented, "no pods");
  }
  Task<Result<std::shared_ptr<net::Transport>>> connect(const Extension& wanted) override {
    EXPECT_EQ(wanted.host, "10.244.0.9");
    EXPECT_EQ(wanted.port, 4443);
    EXPECT_EQ(wanted.server_name, "metrics-server.kube-system.svc");
    EXPECT_FALSE(wanted.verify);
    co_return transport;
  }

  std::shared_ptr<net::Transport> transport;
};

class Aggregation : public ::testing::Test {
 public:
  ~Aggregation() override {
    server_.run(static_cast<net::InProcessTransport&>(*connector_->transport).stop());
  }

 protected:
  Aggregation() : connector_(std::make_shared<FakeConnector>()), server_(options(connector_)) {
    connector_->transport = std::make_shared<net::InProcessTransport>(server_.loop(), extension, "",
                                                                      std::vector<std::string>(), Logger());
  }

  static testing::TestServerOptions options(std::shared_ptr<NodeConnector> connector) {
    testing::TestServerOptions out;
    out.pipeline.nodes = std::move(connector);
    return out;
  }

  void create(const std::string& path, const std::string& body) {
    const TestResponse response = server_.call("POST", path, body);
    ASSERT_EQ(response.status, 201) << response.body;
  }

  void make_extension() {
    create(
        "/api/v1/namespaces/kube-system/services",
        R"({"metadata":{"name":"metrics-server"},"spec":{"ports":[{"name":"https","port":443,"targetPort":4443}]}})");
    create(
        "/apis/apiregistration.k8s.io/v1/apiservices",
        R"({"metadata":{"name":"v1beta1.metrics.k8s.io"},"spec":{"group":"metrics.k8s.io","version":"v1beta1",
               "groupPriorityMinimum":100,"versionPriority":100,"insecureSkipTLSVerify":true,
               "service":{"namespace":"kube-system","name":"metrics-server"}}})");
  }
  void make_endpoints() {
    create(
        "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices",
        R"({"metadata":{"name":"metrics-server-1","labels":{"kubernetes.io/service-name":"metrics-server"}},
               "addressType":"IPv4","ports":[{"name":"https","port":4443,"protocol":"TCP"}],
               "endpoints":[{"addresses":["10.244.0.8"],"conditions":{"ready":false}},
                            {"addresses":["10.244.0.9"],"conditions":{"ready":true}}]})");
  }
  std::string reason(const std::string& name) {
    const TestResponse response = server_.call("GET", "/apis/apiregistration.k8s.io/v1/apiservices/" + name);
    const json::value object = json::parse(response.body);
    const json::array& conditions = array_at(object.as_object(), {"status", "conditions"});
    return conditions.empty() ? "" : std::string(text_at(conditions[0].as_object(), {"reason"}));
  }
  // Waits until the object's condition gives that reason.
  void await_reason(const std::string& name, const std::string& wanted) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (reason(name) != wanted && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(reason(name), wanted);
  }

  std::shared_ptr<FakeConnector> connector_;
  TestServer server_;
};

TEST_F(Aggregation, EveryServedVersionHasAnApiService) {
  await_reason("v1.", "Local");
  await_reason("v1.apps", "Local");
  await_reason("v2.autoscaling", "Local");
  EXPECT_THAT(server_.call("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1.apps").body,
              HasSubstr("\"kube-aggregator.kubernetes.io/automanaged\":\"onstart\""));
}

TEST_F(Aggregation, ACustomResourcesApiServiceComesAndGoesWithIt) {
  create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
         R"({"metadata":{"name":"widgets.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
             "names":{"plural":"widgets","kind":"Widget","listKind":"WidgetList","singular":"widget"},
             "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}})");
  await_reason("v1.example.com", "Local");
  EXPECT_EQ(
      server_.call("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com")
          .status,
      200);
  await_reason("v1.example.com", "");
}

TEST_F(Aggregation, AnExtensionServerIsAnsweredForOnceItHasEndpoints) {
  make_extension();
  await_reason("v1beta1.metrics.k8s.io", "MissingEndpoints");
  EXPECT_EQ(server_.call("GET", "/apis/metrics.k8s.io/v1beta1/nodes").status, 503);
  make_endpoints();
  await_reason("v1beta1.metrics.k8s.io", "Passed");
  const TestResponse answer = server_.call("GET", "/apis/metrics.k8s.io/v1beta1/nodes?limit=5");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("/apis/metrics.k8s.io/v1beta1/nodes?limit=5 as system:anonymous in "
                                     "system:unauthenticated, token none"));
}

TEST_F(Aggregation, DiscoveryShowsWhatAnExtensionServes) {
  make_extension();
  make_endpoints();
  await_reason("v1beta1.metrics.k8s.io", "Passed");
  EXPECT_THAT(server_.call("GET", "/apis").body, HasSubstr("\"metrics.k8s.io/v1beta1\""));
  EXPECT_THAT(server_.call("GET", "/apis/metrics.k8s.io").body, HasSubstr("\"preferredVersion\""));
  const std::string aggregated =
      server_
          .call("GET", "/apis", "", "",
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
          .body;
  EXPECT_THAT(aggregated, HasSubstr("\"NodeMetrics\""));
  EXPECT_THAT(aggregated, Not(HasSubstr("Stale")));
}

TEST_F(Aggregation, OpenApiOfAnExtensionIsItsOwn) {
  make_extension();
  make_endpoints();
  await_reason("v1beta1.metrics.k8s.io", "Passed");
  const std::string url = "/openapi/v3/apis/metrics.k8s.io/v1beta1?hash=AB";
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto listed = [&] { return server_.call("GET", "/openapi/v3").body.contains(url); };
  while (!listed() && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(listed());
  EXPECT_THAT(server_.call("GET", url).body, HasSubstr(url + " as system:anonymous"));
  EXPECT_EQ(server_.call("GET", "/openapi/v3/apis/metrics.k8s.io/v1").status, 404);
}

TEST(ProxiedHeaders, TheUserIsNamedAndTheCredentialStays) {
  const net::Headers headers = proxied_headers(
      {{"Authorization", "Bearer secret"}, {"X-Remote-User", "forged"}, {"Accept", "text/plain"}},
      {.name = "alice", .uid = "7", .groups = {"a", "b"}, .extra = {{"example.com/key", {"v"}}}});
  EXPECT_FALSE(headers.get("authorization"));
  EXPECT_THAT(headers.all("x-remote-user"), ::testing::ElementsAre("alice"));
  EXPECT_THAT(headers.all("x-remote-group"), ::testing::ElementsAre("a", "b"));
  EXPECT_EQ(headers.get("x-remote-uid"), "7");
  EXPECT_EQ(headers.get("x-remote-extra-example.com%2Fkey"), "v");
  EXPECT_EQ(headers.get("accept"), "text/plain");
}

}  // namespace
}  // namespace cloudless::apiserver
