// The roles and bindings that every cluster starts with, named and filled as upstream's
// (plugin/pkg/auth/authorizer/rbac/bootstrappolicy). They are data: a table of text, read once.
//
// At each start what is missing is made, and what rules and subjects people took out is put back, except
// where rbac.authorization.kubernetes.io/autoupdate is "false". What people added stays.
#pragma once

#include <vector>

#include "apiserver/authz/rbac_index.hpp"
#include "base/log.hpp"

namespace cloudless::apiserver::authz {

inline constexpr std::string_view kAutoUpdateAnnotation = "rbac.authorization.kubernetes.io/autoupdate";
inline constexpr std::string_view kBootstrappingLabel = "kubernetes.io/bootstrapping";

/// All of it, with upstream's label and annotation; aggregated roles hold their rules already.
RbacObjects bootstrap_policy();

/// The rules of node agents, which the Node authorizer grants by itself.
std::vector<PolicyRule> node_rules();

/// What the stored role lacks of `wanted`, added; nothing where it lacks nothing or is protected.
template <class RoleType>
std::optional<RoleType> reconcile_role(const RoleType& stored, const RoleType& wanted);
template <class BindingType>
std::optional<BindingType> reconcile_binding(const BindingType& stored, const BindingType& wanted);

/// Brings the stored roles and bindings in line. Namespaces kube-system and kube-public have to exist.
runtime::Task<ApiResult<>> ensure_bootstrap_policy(Objects& objects, Logger log);

}  // namespace cloudless::apiserver::authz
