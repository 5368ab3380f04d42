#include "apiserver/request_info.hpp"

#include <gtest/gtest.h>

namespace cloudless::apiserver {
namespace {

struct Case {
  std::string method, path, query;
  std::string verb, group, version, namespace_, resource, subresource, name;
};

TEST(RequestInfo, ResourcePathsAreReadAsUpstreamReadsThem) {
  const Case cases[] = {
      {"GET", "/api/v1/namespaces", "", "list", "", "v1", "", "namespaces", "", ""},
      {"GET", "/api/v1/namespaces/a", "", "get", "", "v1", "a", "namespaces", "", "a"},
      {"GET", "/api/v1/namespaces/a/status", "", "get", "", "v1", "a", "namespaces", "status", "a"},
      {"PUT", "/api/v1/namespaces/a/finalize", "", "update", "", "v1", "a", "namespaces", "finalize", "a"},
      {"GET", "/api/v1/namespaces/a/pods", "", "list", "", "v1", "a", "pods", "", ""},
      {"GET", "/api/v1/namespaces/a/pods", "watch=true", "watch", "", "v1", "a", "pods", "", ""},
      {"GET", "/api/v1/namespaces/a/pods", "watch", "watch", "", "v1", "a", "pods", "", ""},
      {"GET", "/api/v1/namespaces/a/pods", "watch=false", "list", "", "v1", "a", "pods", "", ""},
      {"GET", "/api/v1/pods", "fieldSelector=metadata.name%3Dx", "list", "", "v1", "", "pods", "", "x"},
      {"GET", "/api/v1/watch/namespaces/a/pods/x", "", "watch", "", "v1", "a", "pods", "", "x"},
      {"HEAD", "/api/v1/namespaces/a/pods/x", "", "get", "", "v1", "a", "pods", "", "x"},
      {"DELETE", "/api/v1/namespaces/a/pods", "", "deletecollection", "", "v1", "a", "pods", "", ""},
      {"DELETE", "/api/v1/namespaces/a/pods/x", "", "delete", "", "v1", "a", "pods", "", "x"},
      {"POST", "/api/v1/namespaces/a/pods/x/exec", "", "create", "", "v1", "a", "pods", "exec", "x"},
      {"PATCH", "/apis/apps/v1/namespaces/a/deployments/x/scale", "", "patch", "apps", "v1", "a",
       "deployments", "scale", "x"},
      {"GET", "/api/v1/nodes/n/proxy/logs/x", "", "get", "", "v1", "", "nodes", "proxy", "n"},
      {"GET", "/apis/a.io/v1/widgets/", "", "list", "a.io", "v1", "", "widgets", "", ""},
      {"OPTIONS", "/api/v1/pods", "", "", "", "v1", "", "pods", "", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.method + " " + c.path + "?" + c.query);
    const Result<RequestInfo> info = parse_request_info(c.method, c.path, c.query);
    ASSERT_TRUE(info.has_value());
    EXPECT_TRUE(info->is_resource_request);
    EXPECT_EQ(info->verb, c.verb);
    EXPECT_EQ(info->group, c.group);
    EXPECT_EQ(info->version, c.version);
    EXPECT_EQ(info->namespace_, c.namespace_);
    EXPECT_EQ(info->resource, c.resource);
    EXPECT_EQ(info->subresource, c.subresource);
    EXPECT_EQ(info->name, c.name);
  }
}

TEST(RequestInfo, SelectorsOfCollectionsAreKeptForAuthorizers) {
  const auto narrowed = parse_request_info(
      "GET", "/api/v1/pods", "watch=1&fieldSelector=spec.nodeName%3Dn1&labelSelector=app%3Dweb");
  ASSERT_TRUE(narrowed.has_value());
  EXPECT_EQ(narrowed->field_selector, "spec.nodeName=n1");
  EXPECT_EQ(narrowed->label_selector, "app=web");
  const auto single =
      parse_request_info("GET", "/api/v1/namespaces/a/pods/x", "fieldSelector=spec.nodeName%3Dn1");
  ASSERT_TRUE(single.has_value());
  EXPECT_EQ(single->field_selector, "");
}

TEST(RequestInfo, OtherPathsHaveTheMethodAsVerb) {
  for (const char* path :
       {"/", "/healthz", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/openapi/v3/apis/apps/v1"}) {
    SCOPED_TRACE(path);
    const Result<RequestInfo> info = parse_request_info("GET", path, "");
    ASSERT_TRUE(info.has_value());
    EXPECT_FALSE(info->is_resource_request);
    EXPECT_EQ(info->verb, "get");
    EXPECT_EQ(info->path, path);
  }
}

TEST(RequestInfo, PercentEscapesAreDecodedAndBrokenOnesRefused) {
  EXPECT_EQ(parse_request_info("GET", "/api/v1/nodes/a%3Ab", "")->name, "a:b");
  EXPECT_EQ(parse_request_info("GET", "/api/v1/nodes/%zz", "").error().code, Code::kInvalid);
  EXPECT_EQ(parse_request_info("GET", "/api/v1/watch", "").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace cloudless::apiserver
