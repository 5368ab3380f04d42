// The whole server, in process, as a client sees it.
#include "apiserver/server.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/test_server.hpp"

namespace cloudless::apiserver {
namespace {

using testing::TestResponse;
using testing::TestServer;

json::object object_of(const TestResponse& response) {
  json::error_code error;
  json::value value = json::parse(response.body, error);
  EXPECT_FALSE(error) << response.body;
  return value.is_object() ? value.get_object() : json::object();
}

constexpr const char* kConfigMap =
    R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"app":"x"}},"data":{"k":"v"}})";
constexpr const char* kConfigMaps = "/api/v1/namespaces/default/configmaps";

TEST(Server, SystemNamespacesAndTheKubernetesServiceAreThere) {
  TestServer server;
  const json::object list = object_of(server.call("GET", "/api/v1/namespaces"));
  EXPECT_EQ(array_at(list, {"items"}).size(), 4);
  const json::object service =
      object_of(server.call("GET", "/api/v1/namespaces/default/services/kubernetes"));
  EXPECT_EQ(text_at(service, {"spec", "clusterIP"}), "10.96.0.1");
}

TEST(Server, ABindingOfTheNamespaceNamesItsPod) {
  TestServer server;
  const std::string pods = "/api/v1/namespaces/default/pods";
  server.call("POST", pods, R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})");
  const std::string binding =
      R"({"metadata":{"name":"p","labels":{"zone":"a"}},"target":{"kind":"Node","name":"n1"}})";
  EXPECT_EQ(server.call("POST", "/api/v1/namespaces/default/bindings", binding).status, 201);
  const json::object pod = object_of(server.call("GET", pods + "/p"));
  EXPECT_EQ(text_at(pod, {"spec", "nodeName"}), "n1");
  EXPECT_EQ(text_at(pod, {"metadata", "labels", "zone"}), "a");
  const TestResponse again = server.call("POST", pods + "/p/binding", binding);
  EXPECT_EQ(again.status, 409);
  const TestResponse other = server.call("POST", pods + "/q/binding", binding);
  EXPECT_EQ(text_at(object_of(other), {"message"}), "name in URL does not match name in Binding object");
}

TEST(Server, ComponentStatusesTellOfTheStoreAndOfThisProcessesParts) {
  testing::TestServerOptions options;
  options.pipeline.components = {{"scheduler"}};
  TestServer server(std::move(options));
  const TestResponse answer = server.call("GET", "/api/v1/componentstatuses");
  const json::object list = object_of(answer);
  EXPECT_EQ(text_at(list, {"kind"}), "ComponentStatusList");
  EXPECT_EQ(answer.headers.get("warning"), "299 - \"v1 ComponentStatus is deprecated in v1.19+\"");
  std::vector<std::string> healthy;
  for (const json::value& item : array_at(list, {"items"})) {
    const json::array& conditions = array_at(item.as_object(), {"conditions"});
    if (text_at(conditions[0].as_object(), {"status"}) == "True")
      healthy.emplace_back(name_of(item.as_object()));
  }
  EXPECT_EQ(healthy, (std::vector<std::string>{"etcd-0", "scheduler"}));
  EXPECT_EQ(server.call("GET", "/api/v1/componentstatuses/scheduler").status, 200);
  EXPECT_EQ(server.call("GET", "/api/v1/componentstatuses/nobody").status, 404);
}

TEST(Server, FlowSchemasAndTheirPriorityLevelsAreThere) {
  TestServer server;
  const std::string group = "/apis/flowcontrol.apiserver.k8s.io/v1";
  std::set<std::string> levels;
  for (const json::value& level :
       array_at(object_of(server.call("GET", group + "/prioritylevelconfigurations")), {"items"}))
    levels.emplace(name_of(level.as_object()));
  EXPECT_EQ(levels.size(), 8U);
  const json::object schemas = object_of(server.call("GET", group + "/flowschemas"));
  EXPECT_EQ(array_at(schemas, {"items"}).size(), 13U);
  for (const json::value& schema : array_at(schemas, {"items"})) {
    const std::string level(text_at(schema.as_object(), {"spec", "priorityLevelConfiguration", "name"}));
    EXPECT_TRUE(levels.contains(level)) << level;
  }
}

TEST(Server, AnObjectIsCreatedReadChangedAndDeleted) {
  TestServer server;
  const TestResponse created = server.call("POST", kConfigMaps, kConfigMap);
  EXPECT_EQ(created.status, 201) << created.body;
  const json::object stored = object_of(created);
  EXPECT_FALSE(text_at(stored, {"metadata", "uid"}).empty());
  EXPECT_FALSE(text_at(stored, {"metadata", "resourceVersion"}).empty());
  EXPECT_EQ(object_of(server.call("GET", std::string(kConfigMaps) + "/a")), stored);

  json::object changed = stored;
  changed["data"] = {{"k", "w"}};
  const TestResponse updated = server.call("PUT", std::string(kConfigMaps) + "/a", json::serialize(changed));
  EXPECT_EQ(updated.status, 200) << updated.body;
  EXPECT_GT(resource_version_of(object_of(updated)), resource_version_of(stored));
  const TestResponse stale = server.call("PUT", std::string(kConfigMaps) + "/a", json::serialize(changed));
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(
      text_at(object_of(stale), {"message"}),
      "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your "
      "changes to the latest version and try again");

  const TestResponse deleted = server.call("DELETE", std::string(kConfigMaps) + "/a");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(text_at(object_of(deleted), {"status"}), "Success");
  EXPECT_EQ(server.call("GET", std::string(kConfigMaps) + "/a").status, 404);
}

TEST(Server, RefusalsHaveUpstreamsCodes) {
  TestServer server;
  server.call("POST", kConfigMaps, kConfigMap);
  struct Case {
    std::string method, target, body;
    int status;
    std::string reason;
  };
  const Case cases[] = {
      {"POST", kConfigMaps, kConfigMap, 409, "AlreadyExists"},
      {"GET", "/api/v1/namespaces/default/configmaps/none", "", 404, "NotFound"},
      {"GET", "/api/v1/nothings", "", 404, "NotFound"},
      {"POST", "/api/v1/namespaces/default/configmaps/a", kConfigMap, 405, "MethodNotAllowed"},
      {"POST", kConfigMaps, "{", 400, "BadRequest"},
      {"POST", kConfigMaps, R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"}})", 400,
       "BadRequest"},
      {"POST", kConfigMaps,
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"x"}})", 400,
       "BadRequest"},
      {"GET", "/api/v1/pods?fieldSelector=spec.foo%3Dx", "", 400, "BadRequest"},
      {"GET", "/api/v1/pods?labelSelector=%21%21", "", 400, "BadRequest"},
      {"GET", "/api/v1/pods?continue=x", "", 400, "BadRequest"},
      {"GET", "/api/v1/pods?resourceVersion=99999999", "", 504, "Timeout"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.method + " " + c.target + " " + c.body);
    const TestResponse response = server.call(c.method, c.target, c.body);
    EXPECT_EQ(response.status, c.status) << response.body;
    EXPECT_EQ(text_at(object_of(response), {"reason"}), c.reason) << response.body;
  }
}

TEST(Server, ListsAreCutIntoChunksOfOneRevision) {
  TestServer server;
  for (int i = 0; i < 5; ++i) {
    server.call("POST", kConfigMaps,
                fmt::format(R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"m{}"}}}})", i));
  }
  json::object page = object_of(server.call("GET", std::string(kConfigMaps) + "?limit=2"));
  const std::string version(text_at(page, {"metadata", "resourceVersion"}));
  EXPECT_EQ(number_at(page, {"metadata", "remainingItemCount"}), 3);
  server.call("DELETE", std::string(kConfigMaps) + "/m3");
  size_t seen = array_at(page, {"items"}).size();
  while (!text_at(page, {"metadata", "continue"}).empty()) {
    page = object_of(server.call(
        "GET", fmt::format("{}?limit=2&continue={}", kConfigMaps, text_at(page, {"metadata", "continue"}))));
    EXPECT_EQ(text_at(page, {"metadata", "resourceVersion"}), version);
    seen += array_at(page, {"items"}).size();
  }
  EXPECT_EQ(seen, 5) << "the deleted one belongs to the revision of the first chunk";
}

TEST(Server, AWatchTellsWhatHappensBehindItsRevision) {
  TestServer server;
  const json::object list = object_of(server.call("GET", kConfigMaps));
  const std::string version(text_at(list, {"metadata", "resourceVersion"}));
  server.call("POST", kConfigMaps, kConfigMap);
  server.call("DELETE", std::string(kConfigMaps) + "/a");
  const TestResponse watch =
      server.call("GET", fmt::format("{}?watch=1&timeoutSeconds=1&resourceVersion={}", kConfigMaps, version));
  EXPECT_EQ(watch.status, 200);
  EXPECT_TRUE(watch.body.starts_with("{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\"")) << watch.body;
  EXPECT_TRUE(watch.body.contains("\n{\"type\":\"DELETED\"")) << watch.body;
}

TEST(Server, AWatchListEndsItsInitialEventsWithABookmark) {
  TestServer server;
  server.call("POST", kConfigMaps, kConfigMap);
  const TestResponse watch =
      server.call("GET", std::string(kConfigMaps) +
                             "?watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch="
                             "NotOlderThan&allowWatchBookmarks=true");
  EXPECT_EQ(watch.status, 200) << watch.body;
  EXPECT_TRUE(watch.body.contains("\n{\"type\":\"BOOKMARK\"")) << watch.body;
  EXPECT_TRUE(watch.body.contains("\"k8s.io/initial-events-end\":\"true\"")) << watch.body;
}

TEST(Server, SelectorsChooseByLabelAndField) {
  TestServer server;
  server.call("POST", kConfigMaps, kConfigMap);
  const auto count = [&](const std::string& query) {
    return array_at(object_of(server.call("GET", std::string(kConfigMaps) + query)), {"items"}).size();
  };
  EXPECT_EQ(count("?labelSelector=app%3Dx"), 1);
  EXPECT_EQ(count("?labelSelector=app%21%3Dx"), 0);
  EXPECT_EQ(count("?fieldSelector=metadata.name%3Da"), 1);
  EXPECT_EQ(count("?fieldSelector=metadata.name%3Db"), 0);
}

TEST(Server, DryRunStoresNothing) {
  TestServer server;
  EXPECT_EQ(server.call("POST", std::string(kConfigMaps) + "?dryRun=All", kConfigMap).status, 201);
  EXPECT_EQ(server.call("GET", std::string(kConfigMaps) + "/a").status, 404);
}

TEST(Server, DiscoveryNamesEveryGroup) {
  TestServer server;
  const json::object groups = object_of(server.call("GET", "/apis"));
  EXPECT_EQ(text_at(groups, {"kind"}), "APIGroupList");
  const json::object core = object_of(server.call("GET", "/api/v1"));
  EXPECT_EQ(text_at(core, {"kind"}), "APIResourceList");
  const TestResponse aggregated = server.call(
      "GET", "/apis", "", "", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  EXPECT_EQ(text_at(object_of(aggregated), {"kind"}), "APIGroupDiscoveryList");
  EXPECT_EQ(object_of(server.call("GET", "/version")).at("minor"), "35");
  EXPECT_EQ(server.call("GET", "/healthz").body, "ok");
  EXPECT_EQ(server.call("GET", "/nothing").status, 404);
}

}  // namespace
}  // namespace cloudless::apiserver
