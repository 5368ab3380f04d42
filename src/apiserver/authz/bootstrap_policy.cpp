#include "apiserver/authz/bootstrap_policy.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cassert>

#include "apiserver/authz/bootstrap_policy_table.hpp"
#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::apiserver::authz {

using runtime::Task;

namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

using Words = std::vector<std::string_view>;

Words words_of(std::string_view line) {
  Words words;
  for (const std::string_view word : split(line, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::vector<std::string> list_of(std::string_view word) {
  std::vector<std::string> out;
  for (const std::string_view item : split(word, ',')) out.emplace_back(item == "core" ? "" : item);
  return out;
}

std::vector<std::string> verbs_of(std::string_view word) {
  if (word == "read") return {"get", "list", "watch"};
  if (word == "write") return {"create", "delete", "deletecollection", "patch", "update"};
  return list_of(word);
}

PolicyRule rule_of(const Words& words) {
  if (words[0] == "events")
    return {
        .verbs = {"create", "patch", "update"}, .apiGroups = {"", "events.k8s.io"}, .resources = {"events"}};
  assert(words.size() >= 3);
  PolicyRule rule{.verbs = verbs_of(words[0])};
  if (words[1] == "url") {
    rule.nonResourceURLs = list_of(words[2]);
    return rule;
  }
  rule.apiGroups = list_of(words[1]);
  rule.resources = list_of(words[2]);
  if (words.size() > 3) rule.resourceNames = list_of(words[3]);
  return rule;
}

Subject subject_of(std::string_view word) {
  if (word.starts_with("sa:")) {
    const size_t slash = word.find('/');
    return {.kind = "ServiceAccount",
            .name = std::string(word.substr(slash + 1)),
            .namespace_ = std::string(word.substr(3, slash - 3))};
  }
  const bool is_group = word.starts_with("group:");
  return {.kind = is_group ? "Group" : "User",
          .apiGroup = std::string(kGroup),
          .name = std::string(word.substr(is_group ? 6 : 5))};
}

template <class T>
T named(std::string_view name) {
  T object;
  object.metadata.name = name;
  object.metadata.labels[std::string(kBootstrappingLabel)] = "rbac-defaults";
  object.metadata.annotations[std::string(kAutoUpdateAnnotation)] = "true";
  return object;
}

// Reads the table line by line; rules join the role that was named last.
class TableReader {
 public:
  RbacObjects read(std::string_view table) {
    for (const std::string_view line : split(table, '\n')) {
      const Words words = words_of(line);
      if (words.empty()) continue;
      if (line.starts_with(' ')) {
        rules_->push_back(rule_of(words));
      } else if (words[0] == "bind") {
        bind(words);
      } else if (words[0] == "controller") {
        controller(words[1]);
      } else {
        role(words);
      }
    }
    return std::move(out_);
  }

 private:
  void role(const Words& words) {
    const size_t slash = words[1].find('/');
    if (slash != std::string_view::npos) {
      out_.roles.push_back(named<Role>(words[1].substr(slash + 1)));
      out_.roles.back().metadata.namespace_ = words[1].substr(0, slash);
      rules_ = &out_.roles.back().rules;
      return;
    }
    ClusterRole& made = out_.cluster_roles.emplace_back(named<ClusterRole>(words[1]));
    for (size_t i = 2; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      const std::string label = fmt::format("{}/{}", kGroup, words[i].substr(equals + 1));
      if (words[i].substr(0, equals) == "aggregate") {
        made.metadata.labels["rbac.authorization.k8s.io/" + std::string(words[i].substr(equals + 1))] =
            "true";
      } else {
        made.aggregationRule.get_or_emplace().clusterRoleSelectors.emplace_back().matchLabels[label] = "true";
      }
    }
    rules_ = &made.rules;
  }

  void controller(std::string_view name) {
    const std::string role_name = fmt::format("system:controller:{}", name);
    out_.cluster_role_bindings.push_back(named<ClusterRoleBinding>(role_name));
    auto& binding = out_.cluster_role_bindings.back();
    binding.roleRef = {.apiGroup = std::string(kGroup), .kind = "ClusterRole", .name = role_name};
    binding.subjects = {{.kind = "ServiceAccount", .name = std::string(name), .namespace_ = "kube-system"}};
    out_.cluster_roles.push_back(named<ClusterRole>(role_name));
    rules_ = &out_.cluster_roles.back().rules;
  }

  void bind(const Words& words) {
    std::vector<Subject> subjects;
    for (size_t i = 3; i < words.size(); ++i) subjects.push_back(subject_of(words[i]));
    const size_t slash = words[1].find('/');
    const RoleRef ref{.apiGroup = std::string(kGroup),
                      .kind = slash == std::string_view::npos ? "ClusterRole" : "Role",
                      .name = std::string(words[2])};
    if (slash == std::string_view::npos) {
      auto& binding = out_.cluster_role_bindings.emplace_back(named<ClusterRoleBinding>(words[1]));
      binding.roleRef = ref;
      binding.subjects = std::move(subjects);
      return;
    }
    auto& binding = out_.role_bindings.emplace_back(named<RoleBinding>(words[1].substr(slash + 1)));
    binding.metadata.namespace_ = words[1].substr(0, slash);
    binding.roleRef = ref;
    binding.subjects = std::move(subjects);
  }

  RbacObjects out_;
  std::vector<PolicyRule>* rules_ = nullptr;
};

// Labels and annotations that `stored` lacks; true where there were some.
template <class T>
bool add_metadata(T& stored, const T& wanted) {
  const size_t before = stored.metadata.labels.size() + stored.metadata.annotations.size();
  stored.metadata.labels.insert(wanted.metadata.labels.begin(), wanted.metadata.labels.end());
  stored.metadata.annotations.insert(wanted.metadata.annotations.begin(), wanted.metadata.annotations.end());
  return stored.metadata.labels.size() + stored.metadata.annotations.size() != before;
}

template <class T>
bool is_protected(const T& stored) {
  const auto at = stored.metadata.annotations.find(std::string(kAutoUpdateAnnotation));
  return at != stored.metadata.annotations.end() && at->second == "false";
}

template <class T>
json::object to_object(const T& value) {
  json::object object{{"kind", T::kKind}, {"apiVersion", T::kApiVersion}};
  // kind and apiVersion first, as everywhere.
  for (auto& member : schema::to_value(value).as_object()) object[member.key()] = std::move(member.value());
  return object;
}

// One kind: what is missing is created, what differs updated.
template <class T, class Reconcile>
Task<ApiResult<>> ensure(Objects& objects, std::string_view plural, const std::vector<T>& wanted,
                         Reconcile reconcile, Logger log) {
  const GroupResource resource{std::string(kGroup), std::string(plural)};
  for (const T& item : wanted) {
    const auto stored = co_await objects.get(resource, item.metadata.namespace_, item.metadata.name);
    ApiResult<ObjectPtr> written;
    if (!stored && stored.error().code != 404) co_return std::unexpected(stored.error());
    if (!stored) {
      written = co_await objects.create(resource, to_object(item));
    } else {
      const std::optional<T> changed = reconcile(CO_TRY(schema::from_value<T>(json::value(**stored))), item);
      if (!changed) continue;
      log.info("restored a default of RBAC", {{"resource", plural}, {"name", item.metadata.name}});
      written = co_await objects.update(resource, "", to_object(*changed));
    }
    // Another server that starts at the same time may have been faster.
    if (!written && written.error().code != 409) co_return std::unexpected(written.error());
  }
  co_return ApiResult<>();
}

}  // namespace

template <class RoleType>
std::optional<RoleType> reconcile_role(const RoleType& stored, const RoleType& wanted) {
  if (is_protected(stored)) return std::nullopt;
  RoleType changed = stored;
  bool differs = add_metadata(changed, wanted);
  if constexpr (requires { wanted.aggregationRule; }) {
    if (wanted.aggregationRule) {
      // The rules of such a role are the aggregation's.
      if (!changed.aggregationRule) {
        changed.aggregationRule = wanted.aggregationRule;
        differs = true;
      }
      return differs ? std::optional(changed) : std::nullopt;
    }
  }
  const auto missing = compact(uncovered(stored.rules, wanted.rules));
  changed.rules.insert(changed.rules.end(), missing.begin(), missing.end());
  return differs || !missing.empty() ? std::optional(changed) : std::nullopt;
}

template <class BindingType>
std::optional<BindingType> reconcile_binding(const BindingType& stored, const BindingType& wanted) {
  // A binding to another role cannot be changed in place; it is what somebody wanted.
  if (is_protected(stored) || !(stored.roleRef == wanted.roleRef)) return std::nullopt;
  BindingType changed = stored;
  bool differs = add_metadata(changed, wanted);
  for (const Subject& subject : wanted.subjects) {
    if (std::ranges::find(stored.subjects, subject) != stored.subjects.end()) continue;
    changed.subjects.push_back(subject);
    differs = true;
  }
  return differs ? std::optional(changed) : std::nullopt;
}

template std::optional<ClusterRole> reconcile_role(const ClusterRole&, const ClusterRole&);
template std::optional<Role> reconcile_role(const Role&, const Role&);
template std::optional<ClusterRoleBinding> reconcile_binding(const ClusterRoleBinding&,
                                                             const ClusterRoleBinding&);
template std::optional<RoleBinding> reconcile_binding(const RoleBinding&, const RoleBinding&);

RbacObjects bootstrap_policy() {
  RbacObjects policy = TableReader().read(kBootstrapPolicyTable);
  // From the innermost role out: view, edit, admin.
  for (auto role = policy.cluster_roles.rbegin(); role != policy.cluster_roles.rend(); ++role) {
    if (role->aggregationRule) role->rules = aggregated_rules(*role, policy.cluster_roles);
  }
  return policy;
}

std::vector<PolicyRule> node_rules() {
  auto roles = TableReader().read(kBootstrapPolicyTable).cluster_roles;
  return std::ranges::find_if(roles, [](const auto& role) { return role.metadata.name == "system:node"; })
      ->rules;
}

Task<ApiResult<>> ensure_bootstrap_policy(Objects& objects, Logger log) {
  const RbacObjects policy = bootstrap_policy();
  CO_TRY(co_await ensure(objects, "clusterroles", policy.cluster_roles, reconcile_role<ClusterRole>, log));
  CO_TRY(co_await ensure(objects, "clusterrolebindings", policy.cluster_role_bindings,
                         reconcile_binding<ClusterRoleBinding>, log));
  CO_TRY(co_await ensure(objects, "roles", policy.roles, reconcile_role<Role>, log));
  co_return co_await ensure(objects, "rolebindings", policy.role_bindings, reconcile_binding<RoleBinding>,
                            log);
}

}  // namespace cloudless::apiserver::authz
