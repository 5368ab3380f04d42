#include "apiserver/flowcontrol/flow_control.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <future>
#include <thread>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/test_server.hpp"
#include "runtime/completion.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::apiserver {
namespace {

namespace flow = api::flowcontrol::v1;

constexpr const char* kLevels[] = {R"({"metadata":{"name":"low","uid":"low-1"},"spec":{"type":"Limited"}})",
                                   R"({"metadata":{"name":"free","uid":"free-1"},"spec":{"type":"Exempt"}})"};

std::string flow_schema(std::string_view name, std::string_view level, int precedence,
                        std::string_view subject, std::string_view rules) {
  return fmt::format(
      R"({{"metadata":{{"name":"{0}","uid":"{0}-uid"}},"spec":{{"priorityLevelConfiguration":{{"name":"{1}"}},)"
      R"("matchingPrecedence":{2},"rules":[{{"subjects":[{3}],{4}}}]}}}})",
      name, level, precedence, subject, rules);
}

FlowTable table_of(const std::vector<std::string>& schemas) {
  std::vector<flow::FlowSchema> flows;
  for (const std::string& text : schemas) flows.push_back(schema::decode<flow::FlowSchema>(text).value());
  std::vector<flow::PriorityLevelConfiguration> levels;
  for (const char* text : kLevels)
    levels.push_back(schema::decode<flow::PriorityLevelConfiguration>(text).value());
  return FlowTable(std::move(flows), std::move(levels));
}

std::string flow_of(const FlowTable& table, const UserInfo& user, std::string_view method,
                    std::string_view path) {
  const Flow* found = table.classify(user, parse_request_info(method, path, "").value());
  return found ? found->schema_uid : "none";
}

const std::string kAnyResource =
    R"("resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,"namespaces":["*"]}])";
const std::string kAnyone = R"({"kind":"Group","group":{"name":"*"}})";

TEST(FlowTable, TheFirstByPrecedenceThatFitsCounts) {
  const FlowTable table =
      table_of({flow_schema("last", "low", 900, kAnyone, kAnyResource),
                flow_schema("first", "low", 10, R"({"kind":"User","user":{"name":"alice"}})", kAnyResource),
                flow_schema("dangling", "gone", 1, kAnyone, kAnyResource)});
  EXPECT_EQ(flow_of(table, {.name = "alice"}, "GET", "/api/v1/nodes"), "first-uid");
  EXPECT_EQ(flow_of(table, {.name = "bob"}, "GET", "/api/v1/nodes"), "last-uid");
  EXPECT_EQ(flow_of(table, {.name = "bob"}, "GET", "/version"), "none");
}

TEST(FlowTable, RulesNameVerbsResourcesNamespacesAndPaths) {
  const FlowTable table = table_of(
      {flow_schema("accounts", "low", 1,
                   R"({"kind":"ServiceAccount","serviceAccount":{"namespace":"shop","name":"*"}})",
                   R"("resourceRules":[{"verbs":["get","update"],"apiGroups":["apps"],)"
                   R"("resources":["deployments/scale"],"namespaces":["shop"]}])"),
       flow_schema("health", "free", 2, kAnyone,
                   R"("nonResourceRules":[{"verbs":["get"],"nonResourceURLs":["/healthz","/debug/*"]}])")});
  const UserInfo account{.name = "system:serviceaccount:shop:web"};
  const std::string deployment = "/apis/apps/v1/namespaces/shop/deployments/web";
  EXPECT_EQ(flow_of(table, account, "PUT", deployment + "/scale"), "accounts-uid");
  EXPECT_EQ(flow_of(table, account, "PATCH", deployment + "/scale"), "none");
  EXPECT_EQ(flow_of(table, account, "PUT", deployment), "none");
  EXPECT_EQ(flow_of(table, account, "GET", "/apis/apps/v1/namespaces/other/deployments/web/scale"), "none");
  EXPECT_EQ(flow_of(table, {.name = "system:serviceaccount:other:web"}, "PUT", deployment + "/scale"),
            "none");
  EXPECT_EQ(flow_of(table, account, "GET", "/healthz"), "health-uid");
  EXPECT_EQ(flow_of(table, account, "GET", "/debug/pprof"), "health-uid");
  EXPECT_EQ(flow_of(table, account, "POST", "/healthz"), "none");
}

TEST(FlowControl, AnswersNameTheirFlow) {
  testing::TestServer server;
  const auto uid_of = [&](const std::string& plural, const std::string& name) {
    const auto response = server.call("GET", "/apis/flowcontrol.apiserver.k8s.io/v1/" + plural + "/" + name);
    return std::string(text_at(json::parse(response.body).as_object(), {"metadata", "uid"}));
  };
  // Without authenticators everybody is anonymous.
  const auto answer = server.call("GET", "/api/v1/namespaces");
  EXPECT_EQ(answer.headers.get("x-kubernetes-pf-flowschema-uid"), uid_of("flowschemas", "global-default"));
  EXPECT_EQ(answer.headers.get("x-kubernetes-pf-prioritylevel-uid"),
            uid_of("prioritylevelconfigurations", "global-default"));
  EXPECT_EQ(answer.headers.get("audit-id").value_or("").size(), 36u);
  const auto failure = server.call("GET", "/api/v1/nothing");
  EXPECT_EQ(failure.status, 404);
  EXPECT_TRUE(failure.headers.get("x-kubernetes-pf-flowschema-uid"));
  const auto probe = server.call("GET", "/healthz");
  EXPECT_EQ(probe.headers.get("x-kubernetes-pf-flowschema-uid"), uid_of("flowschemas", "probes"));
}

RequestInfo request(std::string_view method, std::string_view path) {
  return parse_request_info(method, path, "").value();
}

TEST(InFlight, RequestsAboveTheLimitAreRefusedWhileTheyLast) {
  InFlight counts({.reading = 2, .mutating = 1});
  const RequestInfo get = request("GET", "/api/v1/nodes/n");
  const RequestInfo post = request("POST", "/api/v1/nodes");
  std::optional<InFlight::Slot> first = counts.enter(get, nullptr);
  std::optional<InFlight::Slot> second = counts.enter(get, nullptr);
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(counts.enter(get, nullptr));
  EXPECT_FALSE(counts.enter(get, nullptr)) << "a refused one counts for nothing";
  const auto write = counts.enter(post, nullptr);
  EXPECT_TRUE(write) << "writes have a limit of their own";
  EXPECT_FALSE(counts.enter(post, nullptr));
  first.reset();
  EXPECT_TRUE(counts.enter(get, nullptr));
}

TEST(InFlight, ExemptAndLongRequestsAreNotCounted) {
  InFlight counts({.reading = 1, .mutating = 1});
  const auto taken = counts.enter(request("GET", "/api/v1/nodes/n"), nullptr);
  const Flow exempt{.schema_uid = {}, .level_uid = {}, .exempt = true};
  EXPECT_TRUE(counts.enter(request("GET", "/api/v1/nodes/n"), &exempt));
  EXPECT_TRUE(counts.enter(request("GET", "/api/v1/namespaces/d/pods/p/log"), nullptr));
  EXPECT_TRUE(counts.enter(parse_request_info("GET", "/api/v1/pods", "watch=true").value(), nullptr));
  EXPECT_FALSE(counts.enter(request("GET", "/version"), nullptr));
  InFlight unlimited({.reading = 0, .mutating = 0});
  const auto one = unlimited.enter(request("GET", "/version"), nullptr);
  EXPECT_TRUE(unlimited.enter(request("GET", "/version"), nullptr));
}

// A body that is not sent before it is released: its request is being worked on until then.
class HeldBody final : public net::BodyReader {
 public:
  HeldBody(std::promise<void>& asked, runtime::Completion<bool> released)
      : asked_(asked), released_(std::move(released)) {}
  runtime::Task<Result<std::optional<SharedBytes>>> next() override {
    if (!std::exchange(told_, true)) asked_.set_value();
    (void)co_await released_.wait();
    co_return std::nullopt;
  }

 private:
  std::promise<void>& asked_;
  runtime::Completion<bool> released_;
  bool told_ = false;
};

runtime::Task<int> send(net::Transport& transport, net::Request request) {
  const auto response = co_await transport.send(std::move(request));
  co_return response ? response->status : 0;
}

TEST(FlowControl, TooManyWritesAtOnceAreRefused) {
  testing::TestServerOptions options;
  options.server.in_flight = {.reading = 400, .mutating = 1};
  testing::TestServer server(std::move(options));
  std::promise<void> asked;
  runtime::Completion<bool> released;
  auto transport = server.transport();
  net::Request held{.method = "POST", .target = "/api/v1/namespaces"};
  held.headers.add("content-type", "application/json");
  held.body = std::make_unique<HeldBody>(asked, released);
  std::thread first([&] { EXPECT_EQ(server.run(send(*transport, std::move(held))), 400); });
  asked.get_future().wait();
  const auto refused = server.call("POST", "/api/v1/namespaces", R"({"metadata":{"name":"a"}})");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.body, "Too many requests, please try again later.\n");
  EXPECT_EQ(refused.headers.get("retry-after"), "1");
  EXPECT_EQ(server.call("GET", "/api/v1/namespaces").status, 200);
  released.complete(true);
  first.join();
  EXPECT_EQ(server.call("POST", "/api/v1/namespaces", R"({"metadata":{"name":"a"}})").status, 201);
  server.run(transport->stop());
}

}  // namespace
}  // namespace cloudless::apiserver
