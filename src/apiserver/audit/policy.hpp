// The audit policy (audit.k8s.io/v1 Policy): how much of which request is recorded. The first rule that
// matches counts; what no rule matches is not recorded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::audit {

struct ResourcePattern {
  std::string group;
  std::vector<std::string>
      resources;  // "pods", "pods/log", "pods/*", "*/scale", "*"; empty: all of the group
  std::vector<std::string> names;
};

/// Empty lists match everything; of `resources` and `paths` one or the other is empty.
struct PolicyRule {
  Auditor::Level level = Auditor::Level::kNone;
  std::vector<std::string> users;
  std::vector<std::string> groups;
  std::vector<std::string> verbs;
  std::vector<std::string> namespaces;  // "" stands for what has no namespace
  std::vector<ResourcePattern> resources;
  std::vector<std::string> paths;  // "/healthz*"
};

struct Policy {
  std::vector<PolicyRule> rules;
  /// Leave managedFields out of recorded bodies.
  bool omit_managed_fields = false;
};

Result<Policy> parse_policy(std::string_view text);
Auditor::Level level_of(const Policy& policy, const Attributes& attributes);
std::string_view to_string(Auditor::Level level);  // "Metadata"

/// One line of the audit log: an audit.k8s.io/v1 Event of stage ResponseComplete, without the line end.
std::string encode_event(Auditor::Level level, const AuditRecord& record, const Policy& policy);

}  // namespace cloudless::apiserver::audit
