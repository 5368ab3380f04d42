// RbacIndex: all roles and bindings of one moment, arranged for the question "which rules does this user have
// here?". Immutable; shared by all requests until a role or binding changes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/rbac_v1.hpp"
#include "apiserver/authz/rules.hpp"
#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authz {

using api::rbac::v1::ClusterRole;
using api::rbac::v1::ClusterRoleBinding;
using api::rbac::v1::Role;
using api::rbac::v1::RoleBinding;
using api::rbac::v1::RoleRef;
using api::rbac::v1::Subject;

struct RbacObjects {
  std::vector<ClusterRole> cluster_roles;
  std::vector<ClusterRoleBinding> cluster_role_bindings;
  std::vector<Role> roles;
  std::vector<RoleBinding> role_bindings;
};

/// The rules of a ClusterRole with an aggregation rule: those of all ClusterRoles that its selectors match,
/// in the order of their names, each rule once.
std::vector<PolicyRule> aggregated_rules(const ClusterRole& role, const std::vector<ClusterRole>& all);

class RbacIndex {
 public:
  explicit RbacIndex(RbacObjects objects);

  /// A binding that gives `user` a role: `where` says which, for the reason of a decision.
  struct Grant {
    const std::vector<PolicyRule>* rules = nullptr;  // null where the role does not exist
    const RoleRef* role = nullptr;
    const std::string* binding = nullptr;
    const std::string* binding_namespace = nullptr;  // empty for a ClusterRoleBinding
    const Subject* subject = nullptr;
  };
  /// Calls `visit` for each grant of the user that counts in `namespace_`, cluster-wide ones first, until it
  /// returns false.
  void visit_grants(const UserInfo& user, const std::string& namespace_,
                    const std::function<bool(const Grant&)>& visit) const;

  std::vector<PolicyRule> rules_for(const UserInfo& user, const std::string& namespace_) const;
  /// Null where there is no such role.
  const std::vector<PolicyRule>* rules_of(const RoleRef& role, const std::string& namespace_) const;

  /// Allow with the grant as its reason, or no opinion naming roles that bindings refer to and that are
  /// missing.
  Decision decide(const Attributes& attributes) const;

 private:
  struct Binding {
    std::string namespace_;
    std::string name;
    RoleRef role;
    Subject subject;
  };
  using ByName = std::map<std::string, std::vector<PolicyRule>, std::less<>>;

  void add_binding(const std::string& namespace_, const std::string& name, const RoleRef& role,
                   const std::vector<Subject>& subjects);
  bool visit_subject(const std::string& key, const std::string& namespace_,
                     const std::function<bool(const Grant&)>& visit) const;

  ByName cluster_roles_;
  std::map<std::string, ByName, std::less<>> roles_;  // by namespace
  // By the binding's namespace (empty: cluster-wide), then by subject: "u:name", "g:name".
  std::map<std::string, std::map<std::string, std::vector<Binding>, std::less<>>, std::less<>> bindings_;
};

}  // namespace cloudless::apiserver::authz
