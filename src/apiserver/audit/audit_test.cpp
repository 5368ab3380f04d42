#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/json.hpp>
#include <filesystem>

#include "apiserver/audit/log_auditor.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::audit {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Level = Auditor::Level;

constexpr const char* kPolicy = R"(
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: ["system:kube-proxy"]
  verbs: ["watch"]
- level: None
  nonResourceURLs: ["/healthz*", "/version"]
- level: Metadata
  resources:
  - group: ""
    resources: ["secrets", "configmaps", "pods/log"]
- level: RequestResponse
  namespaces: ["shop"]
- level: Request
  userGroups: ["dev"]
)";

Attributes on(std::string verb, std::string resource, std::string ns = "", std::string subresource = "") {
  Attributes attributes{
      .user = {.name = "jane", .groups = {"dev"}}, .verb = std::move(verb), .is_resource_request = true};
  attributes.version = "v1";
  attributes.resource = std::move(resource);
  attributes.subresource = std::move(subresource);
  attributes.namespace_ = std::move(ns);
  return attributes;
}

TEST(AuditPolicy, TheFirstRuleThatMatchesCounts) {
  const Policy policy = parse_policy(kPolicy).value();
  EXPECT_EQ(level_of(policy, on("get", "secrets", "shop")), Level::kMetadata);
  EXPECT_EQ(level_of(policy, on("get", "pods", "shop", "log")), Level::kMetadata);
  EXPECT_EQ(level_of(policy, on("get", "pods", "shop")), Level::kRequestResponse);
  EXPECT_EQ(level_of(policy, on("get", "pods", "other")), Level::kRequest);
  Attributes other = on("get", "pods", "other");
  other.user = {.name = "system:kube-proxy"};
  EXPECT_EQ(level_of(policy, other), Level::kNone);
  const Attributes path{.user = {.name = "x", .groups = {"dev"}}, .verb = "get", .path = "/healthz/etcd"};
  EXPECT_EQ(level_of(policy, path), Level::kNone);
}

TEST(AuditPolicy, RefusesWhatIsNone) {
  for (const char* bad : {"", "kind: Policy", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []",
                          "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Everything}]",
                          "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, namespaces: [a], "
                          "nonResourceURLs: [/a]}]"}) {
    EXPECT_FALSE(parse_policy(bad)) << bad;
  }
}

AuditRecord record() {
  AuditRecord out{.audit_id = "id",
                  .request_uri = "/api/v1/namespaces/shop/pods",
                  .attributes = on("create", "pods", "shop")};
  out.response_code = 201;
  out.request_body = share(R"({"metadata":{"name":"p","managedFields":[]}})");
  out.response_body = share(R"({"status":{}})");
  return out;
}

TEST(AuditEvent, HoldsAsMuchAsItsLevelSays) {
  const Policy policy{.omit_managed_fields = true};
  const boost::json::value metadata = boost::json::parse(encode_event(Level::kMetadata, record(), policy));
  EXPECT_EQ(metadata.at("objectRef").at("resource").as_string(), "pods");
  EXPECT_EQ(metadata.at("responseStatus").at("code").as_int64(), 201);
  EXPECT_FALSE(metadata.as_object().contains("requestObject"));
  const std::string request = encode_event(Level::kRequest, record(), policy);
  EXPECT_THAT(request, HasSubstr("\"requestObject\":{\"metadata\":{\"name\":\"p\"}}"));
  EXPECT_THAT(request, Not(HasSubstr("responseObject")));
  EXPECT_THAT(encode_event(Level::kRequestResponse, record(), policy),
              HasSubstr("\"responseObject\":{\"status\":{}}"));
}

TEST(LogAuditor, WritesALineForEachEventAndRotates) {
  std::string folder = std::filesystem::temp_directory_path() / "cl-audit-XXXXXX";
  ASSERT_TRUE(mkdtemp(folder.data()));
  metrics::Registry metrics;
  {
    LogAuditor auditor(parse_policy(kPolicy).value(),
                       {.path = folder + "/audit.log", .max_bytes = 1200, .max_backups = 2}, metrics,
                       Logger());
    for (int i = 0; i < 8; ++i) auditor.record(Level::kMetadata, record());
    auditor.record(Level::kNone, record());
  }
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++files;
    for (const std::string_view line : split(trim(read_file(entry.path()).value()), '\n'))
      EXPECT_NO_THROW(boost::json::parse(line));
  }
  EXPECT_EQ(files, 3u);
  EXPECT_EQ(metrics.counter("apiserver_audit_event_total", "").with().value(), 8u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace cloudless::apiserver::audit
