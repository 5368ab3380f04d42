// What RBAC rules mean: matching, covering, printing. Pure.
#pragma once

#include <string>
#include <vector>

#include "api/rbac_v1.hpp"
#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authz {

using api::rbac::v1::PolicyRule;

/// Whether the rule permits the request (pkg/apis/rbac/v1/evaluation_helpers.go).
bool rule_allows(const PolicyRule& rule, const Attributes& attributes);

/// The parts of `wanted` that `held` do not permit, one verb, group, resource and name each; empty where all
/// is covered (component-helpers/auth/rbac/validation.Covers).
std::vector<PolicyRule> uncovered(const std::vector<PolicyRule>& held, const std::vector<PolicyRule>& wanted);

/// Rules that differ in one list only become one.
std::vector<PolicyRule> compact(const std::vector<PolicyRule>& rules);

/// `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`
std::string to_text(const PolicyRule& rule);

/// Go's %q of a list of strings: `["a" "b"]`.
std::string quote_list(const std::vector<std::string>& texts);

}  // namespace cloudless::apiserver::authz
