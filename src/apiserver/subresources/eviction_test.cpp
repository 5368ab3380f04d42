// Evictions and the budgets that they spend.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/test_server.hpp"

namespace cloudless::apiserver {
namespace {

constexpr const char* kMerge = "application/merge-patch+json";
constexpr const char* kPods = "/api/v1/namespaces/default/pods";
constexpr const char* kBudgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

class Eviction : public ::testing::Test {
 protected:
  void ok(const std::string& method, const std::string& target, const std::string& body,
          const std::string& type = "application/json") {
    const testing::TestResponse response = server_.call(method, target, body, type);
    ASSERT_LT(response.status, 300) << method << " " << target << "\n" << response.body;
  }
  void make_pod(const std::string& name, std::string_view ready) {
    ok("POST", kPods,
       fmt::format(R"({{"metadata":{{"name":"{}","labels":{{"app":"web"}}}},)"
                   R"("spec":{{"containers":[{{"name":"c","image":"i"}}]}}}})",
                   name));
    ok("PATCH", fmt::format("{}/{}/status", kPods, name),
       fmt::format(R"({{"status":{{"phase":"Running","conditions":[{{"type":"Ready","status":"{}"}}]}}}})",
                   ready),
       kMerge);
  }
  void make_budget(std::string_view more = "") {
    ok("POST", kBudgets,
       fmt::format(R"({{"metadata":{{"name":"b"}},"spec":{{"minAvailable":1,"selector":{{"matchLabels":)"
                   R"({{"app":"web"}}}}{}}}}})",
                   more));
  }
  void set_status(int healthy, int desired, int allowed) {
    ok("PATCH", std::string(kBudgets) + "/b/status",
       fmt::format(R"({{"status":{{"observedGeneration":1,"currentHealthy":{},"desiredHealthy":{},)"
                   R"("expectedPods":2,"disruptionsAllowed":{}}}}})",
                   healthy, desired, allowed),
       kMerge);
  }
  json::object evict(const std::string& name) {
    const std::string body =
        fmt::format(R"({{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{}"}}}})", name);
    return json::parse(server_.call("POST", fmt::format("{}/{}/eviction", kPods, name), body).body)
        .as_object();
  }
  static std::string cause(const json::object& status) {
    const json::array& causes = array_at(status, {"details", "causes"});
    return causes.empty() ? "" : std::string(text_at(causes[0].as_object(), {"message"}));
  }

  testing::TestServer server_;
};

TEST_F(Eviction, SpendsTheBudgetAndStopsWhereItIsSpent) {
  make_pod("a", "True");
  make_pod("b", "True");
  make_budget();
  const json::object early = evict("a");
  EXPECT_EQ(number_at(early, {"code"}), 429);
  EXPECT_EQ(cause(early), "The disruption budget b is still being processed by the server.");
  set_status(2, 1, 1);
  EXPECT_EQ(text_at(evict("a"), {"status"}), "Success");
  const json::object budget = json::parse(server_.call("GET", std::string(kBudgets) + "/b").body).as_object();
  EXPECT_EQ(number_at(budget, {"status", "disruptionsAllowed"}), 0);
  EXPECT_NE(text_at(budget, {"status", "disruptedPods", "a"}), "");
  const json::object refused = evict("b");
  EXPECT_EQ(number_at(refused, {"code"}), 429);
  EXPECT_EQ(text_at(refused, {"message"}),
            "Cannot evict pod as it would violate the pod's disruption budget.");
  EXPECT_EQ(cause(refused), "The disruption budget b needs 1 healthy pods and has 2 currently");
}

TEST_F(Eviction, AnUnreadyPodGoesWhereTheBudgetIsHealthy) {
  make_pod("a", "False");
  make_budget();
  EXPECT_EQ(number_at(evict("a"), {"code"}), 429) << "nobody has counted yet";
  set_status(0, 1, 0);
  EXPECT_EQ(number_at(evict("a"), {"code"}), 429);
  set_status(1, 1, 0);
  EXPECT_EQ(text_at(evict("a"), {"status"}), "Success");
}

TEST_F(Eviction, AnUnreadyPodGoesAlwaysWhereTheBudgetSaysSo) {
  make_pod("a", "False");
  make_budget(R"(,"unhealthyPodEvictionPolicy":"AlwaysAllow")");
  EXPECT_EQ(text_at(evict("a"), {"status"}), "Success");
}

TEST_F(Eviction, TwoBudgetsOfOnePodAreTooMany) {
  make_pod("a", "True");
  make_budget();
  ok("POST", kBudgets, R"({"metadata":{"name":"c"},"spec":{"minAvailable":1,"selector":{}}})");
  EXPECT_EQ(number_at(evict("a"), {"code"}), 500);
}

}  // namespace
}  // namespace cloudless::apiserver
