#include "apiserver/quota/quota_status.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/test_server.hpp"

namespace cloudless::apiserver {
namespace {

ObjectPtr object(std::string_view text) {
  return std::make_shared<const json::object>(json::parse(text).as_object());
}

TEST(QuotaStatus, ANameSaysWhoseObjectsItCounts) {
  const auto of = [](std::string_view name) { return counted_resource(name).to_string(); };
  EXPECT_EQ(of("requests.cpu"), "pods");
  EXPECT_EQ(of("limits.memory"), "pods");
  EXPECT_EQ(of("requests.nvidia.com/gpu"), "pods");
  EXPECT_EQ(of("requests.storage"), "persistentvolumeclaims");
  EXPECT_EQ(of("gold.storageclass.storage.k8s.io/requests.storage"), "persistentvolumeclaims");
  EXPECT_EQ(of("services.nodeports"), "services");
  EXPECT_EQ(of("configmaps"), "configmaps");
  EXPECT_EQ(of("count/deployments.apps"), "deployments.apps");
  EXPECT_EQ(of("count/secrets"), "secrets");
}

TEST(QuotaStatus, CountsWhatIsLimitedAndNothingElse) {
  const ObjectPtr quota = object(R"({"metadata":{"name":"q","namespace":"shop"},
    "spec":{"hard":{"pods":"10","requests.cpu":"2","count/jobs.batch":"3"}}})");
  const ObjectsByResource objects{
      {{"", "pods"},
       {object(R"({"spec":{"containers":[{"resources":{"requests":{"cpu":"250m"}}}]}})"),
        object(
            R"({"spec":{"containers":[{"resources":{"requests":{"cpu":"1"}}}]},"status":{"phase":"Failed"}})")}},
      {{"batch", "jobs"}, {object("{}"), object("{}")}}};
  const auto counted = with_usage(*quota, objects);
  ASSERT_TRUE(counted);
  EXPECT_EQ(*object_at(*counted, {"status", "used"}),
            json::parse(R"({"pods":"1","requests.cpu":"250m","count/jobs.batch":"2"})").as_object());
  EXPECT_EQ(counted->at("status").at("hard"), quota->at("spec").at("hard"));
  EXPECT_FALSE(with_usage(*counted, objects));
}

TEST(QuotaStatus, FollowsWhatIsMadeAndRemoved) {
  testing::TestServer server;
  const std::string quotas = "/api/v1/namespaces/default/resourcequotas";
  EXPECT_EQ(
      server.call("POST", quotas, R"({"metadata":{"name":"q"},"spec":{"hard":{"configmaps":"5"}}})").status,
      201);
  const auto used = [&] {
    const json::value quota = json::parse(server.call("GET", quotas + "/q").body);
    return std::string(text_at(quota.as_object(), {"status", "used", "configmaps"}));
  };
  const auto await = [&](std::string_view wanted) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (used() != wanted && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(used(), wanted);
  };
  await("0");
  server.call("POST", "/api/v1/namespaces/default/configmaps", R"({"metadata":{"name":"a"}})");
  await("1");
  server.call("DELETE", "/api/v1/namespaces/default/configmaps/a");
  await("0");
}

}  // namespace
}  // namespace cloudless::apiserver
