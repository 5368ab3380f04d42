#include "apiserver/authz/rbac_index.hpp"

#include <boost/json.hpp>

#include <algorithm>

#include "apiserver/authn/users.hpp"
#include "base/strings.hpp"
#include "schema/selector.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::apiserver::authz {

namespace {

std::string subject_key(const Subject& subject, const std::string& binding_namespace) {
  if (subject.kind == "Group") return "g:" + subject.name;
  if (subject.kind != "ServiceAccount") return "u:" + subject.name;
  const std::string& ns = subject.namespace_.empty() ? binding_namespace : subject.namespace_;
  return "u:" + authn::service_account_user(ns, subject.name);
}

std::string describe(const Subject& subject) {
  if (subject.kind == "ServiceAccount")
    return fmt::format("ServiceAccount {}", quote(subject.name + "/" + subject.namespace_));
  return fmt::format("{} {}", subject.kind, quote(subject.name));
}

std::string allow_reason(const RbacIndex::Grant& grant) {
  const bool cluster_wide = grant.binding_namespace->empty();
  const std::string binding = cluster_wide ? *grant.binding : *grant.binding + "/" + *grant.binding_namespace;
  return fmt::format("RBAC: allowed by {} {} of {} {} to {}",
                     cluster_wide ? "ClusterRoleBinding" : "RoleBinding", quote(binding), grant.role->kind,
                     quote(grant.role->name), describe(*grant.subject));
}

std::string missing_role(const RoleRef& role) {
  return fmt::format("{}.rbac.authorization.k8s.io {} not found", to_lower(role.kind), quote(role.name));
}

}  // namespace

std::vector<PolicyRule> aggregated_rules(const ClusterRole& role, const std::vector<ClusterRole>& all) {
  std::vector<schema::LabelSelector> selectors;
  for (const auto& selector : role.aggregationRule->clusterRoleSelectors) {
    // A selector that does not parse, which validation does not let in, matches nothing.
    if (auto parsed = schema::LabelSelector::from_value(schema::to_value(selector)))
      selectors.push_back(std::move(*parsed));
  }
  std::vector<const ClusterRole*> chosen;
  for (const ClusterRole& other : all) {
    if (other.metadata.name == role.metadata.name) continue;
    if (std::ranges::any_of(selectors,
                            [&](const auto& selector) { return selector.matches(other.metadata.labels); }))
      chosen.push_back(&other);
  }
  std::ranges::sort(chosen, {}, [](const ClusterRole* other) { return other->metadata.name; });
  std::vector<PolicyRule> rules;
  for (const ClusterRole* other : chosen) {
    for (const PolicyRule& rule : other->rules) {
      if (std::ranges::find(rules, rule) == rules.end()) rules.push_back(rule);
    }
  }
  return rules;
}

RbacIndex::RbacIndex(RbacObjects objects) {
  // A role may aggregate roles that aggregate others (admin takes edit takes view): each round reaches one
  // deeper.
  constexpr int kMaxAggregationDepth = 4;
  for (int depth = 0; depth < kMaxAggregationDepth; ++depth) {
    for (ClusterRole& role : objects.cluster_roles) {
      if (role.aggregationRule) role.rules = aggregated_rules(role, objects.cluster_roles);
    }
  }
  for (ClusterRole& role : objects.cluster_roles) cluster_roles_[role.metadata.name] = std::move(role.rules);
  for (Role& role : objects.roles)
    roles_[role.metadata.namespace_][role.metadata.name] = std::move(role.rules);
  for (const auto& binding : objects.cluster_role_bindings)
    add_binding("", binding.metadata.name, binding.roleRef, binding.subjects);
  for (const auto& binding : objects.role_bindings)
    add_binding(binding.metadata.namespace_, binding.metadata.name, binding.roleRef, binding.subjects);
}

void RbacIndex::add_binding(const std::string& namespace_, const std::string& name, const RoleRef& role,
                            const std::vector<Subject>& subjects) {
  for (const Subject& subject : subjects)
    bindings_[namespace_][subject_key(subject, namespace_)].push_back({namespace_, name, role, subject});
}

const std::vector<PolicyRule>* RbacIndex::rules_of(const RoleRef& role, const std::string& namespace_) const {
  const ByName* names = &cluster_roles_;
  if (role.kind == "Role") {
    const auto ns = roles_.find(namespace_);
    if (ns == roles_.end()) return nullptr;
    names = &ns->second;
  }
  const auto at = names->find(role.name);
  return at == names->end() ? nullptr : &at->second;
}

bool RbacIndex::visit_subject(const std::string& key, const std::string& namespace_,
                              const std::function<bool(const Grant&)>& visit) const {
  const auto subjects = bindings_.find(namespace_);
  if (subjects == bindings_.end()) return true;
  const auto bindings = subjects->second.find(key);
  if (bindings == subjects->second.end()) return true;
  return std::ranges::all_of(bindings->second, [&](const Binding& binding) {
    return visit({.rules = rules_of(binding.role, namespace_),
                  .role = &binding.role,
                  .binding = &binding.name,
                  .binding_namespace = &binding.namespace_,
                  .subject = &binding.subject});
  });
}

void RbacIndex::visit_grants(const UserInfo& user, const std::string& namespace_,
                             const std::function<bool(const Grant&)>& visit) const {
  std::vector<std::string> scopes{""};
  if (!namespace_.empty()) scopes.push_back(namespace_);
  for (const std::string& scope : scopes) {
    if (!visit_subject("u:" + user.name, scope, visit)) return;
    for (const std::string& group : user.groups) {
      if (!visit_subject("g:" + group, scope, visit)) return;
    }
  }
}

std::vector<PolicyRule> RbacIndex::rules_for(const UserInfo& user, const std::string& namespace_) const {
  std::vector<PolicyRule> rules;
  visit_grants(user, namespace_, [&](const Grant& grant) {
    if (grant.rules) rules.insert(rules.end(), grant.rules->begin(), grant.rules->end());
    return true;
  });
  return rules;
}

Decision RbacIndex::decide(const Attributes& attributes) const {
  Decision decision;
  std::vector<std::string> missing;
  visit_grants(attributes.user, attributes.namespace_, [&](const Grant& grant) {
    if (!grant.rules) missing.push_back(missing_role(*grant.role));
    if (!grant.rules || std::ranges::none_of(*grant.rules, [&](const PolicyRule& rule) {
          return rule_allows(rule, attributes);
        })) {
      return true;
    }
    decision = {Decision::Kind::kAllow, allow_reason(grant)};
    return false;
  });
  if (decision.allowed() || missing.empty()) return decision;
  decision.reason = "RBAC: " + (missing.size() == 1 ? missing.front() : "[" + join(missing, ", ") + "]");
  return decision;
}

}  // namespace cloudless::apiserver::authz
