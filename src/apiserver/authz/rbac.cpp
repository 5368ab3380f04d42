#include "apiserver/authz/rbac.hpp"

#include <algorithm>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::apiserver::authz {

using runtime::Task;

namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

GroupResource resource_of(std::string_view plural) { return {std::string(kGroup), std::string(plural)}; }

template <class T>
Task<ApiResult<std::vector<T>>> read_all(Objects& objects, std::string_view plural) {
  std::vector<T> out;
  for (const ObjectPtr& object : CO_TRY(co_await objects.list(resource_of(plural), "")))
    out.push_back(CO_TRY(schema::from_value<T>(json::value(*object))));
  co_return out;
}

std::vector<PolicyRule> rules_in(const json::object& role) {
  std::vector<PolicyRule> rules;
  for (const json::value& item : array_at(role, {"rules"})) {
    if (auto rule = schema::from_value<PolicyRule>(item)) rules.push_back(std::move(*rule));
  }
  return rules;
}

std::string describe_missing(const std::vector<PolicyRule>& missing) {
  std::vector<std::string> lines;
  for (const PolicyRule& rule : compact(missing)) lines.push_back(to_text(rule));
  std::ranges::sort(lines);
  return join(lines, "\n");
}

}  // namespace

Task<ApiResult<RbacIndexCache::Revisions>> RbacIndexCache::revisions() {
  Revisions out;
  for (const char* plural : {"clusterroles", "clusterrolebindings", "roles", "rolebindings"})
    out.push_back(CO_TRY(co_await objects_.revision(resource_of(plural))));
  co_return out;
}

Task<ApiResult<std::shared_ptr<const RbacIndex>>> RbacIndexCache::index() {
  Revisions now = CO_TRY(co_await revisions());
  {
    const std::lock_guard lock(mutex_);
    if (index_ && revisions_ == now) co_return index_;
  }
  RbacObjects all{
      .cluster_roles = CO_TRY(co_await read_all<ClusterRole>(objects_, "clusterroles")),
      .cluster_role_bindings = CO_TRY(co_await read_all<ClusterRoleBinding>(objects_, "clusterrolebindings")),
      .roles = CO_TRY(co_await read_all<Role>(objects_, "roles")),
      .role_bindings = CO_TRY(co_await read_all<RoleBinding>(objects_, "rolebindings"))};
  auto made = std::make_shared<const RbacIndex>(std::move(all));
  const std::lock_guard lock(mutex_);
  // What was read is at least as new as the revisions asked before: an index is never taken for newer than it
  // is.
  index_ = made;
  revisions_ = std::move(now);
  co_return made;
}

Task<Decision> RbacAuthorizer::authorize(const Attributes& attributes) {
  const auto index = co_await cache_.index();
  if (!index) co_return Decision{Decision::Kind::kNoOpinion, "RBAC: " + index.error().message};
  co_return (*index)->decide(attributes);
}

Task<Decision> AlwaysAuthorizer::authorize(const Attributes&) {
  co_return Decision{.kind = kind_,
                     .reason = kind_ == Decision::Kind::kAllow ? "" : "Everything is forbidden."};
}

Task<Decision> PrivilegedGroupAuthorizer::authorize(const Attributes& attributes) {
  if (attributes.user.in_group(kGroupMasters)) co_return Decision{Decision::Kind::kAllow, ""};
  co_return Decision{};
}

Task<Decision> AuthorizerChain::authorize(const Attributes& attributes) {
  std::vector<std::string> reasons;
  for (const auto& authorizer : authorizers_) {
    Decision decision = co_await authorizer->authorize(attributes);
    if (decision.kind != Decision::Kind::kNoOpinion) co_return decision;
    if (!decision.reason.empty()) reasons.push_back(std::move(decision.reason));
  }
  co_return Decision{Decision::Kind::kNoOpinion, join(reasons, "\n")};
}

Task<ApiResult<>> RbacEscalationCheck::admit(AdmissionRequest&) { co_return ApiResult<>(); }

Task<ApiResult<>> RbacEscalationCheck::validate(const AdmissionRequest& request) {
  if (request.group != kGroup || !request.subresource.empty()) co_return ApiResult<>();
  if (request.resource == "roles" || request.resource == "clusterroles")
    co_return co_await validate_role(request);
  if (request.resource == "rolebindings" || request.resource == "clusterrolebindings")
    co_return co_await validate_binding(request);
  co_return ApiResult<>();
}

Task<bool> RbacEscalationCheck::permitted(const AdmissionRequest& request, std::string verb,
                                          std::string resource, std::string name) {
  const Attributes attributes{.user = request.user,
                              .verb = std::move(verb),
                              .is_resource_request = true,
                              .group = std::string(kGroup),
                              .version = "v1",
                              .resource = std::move(resource),
                              .namespace_ = request.namespace_,
                              .name = std::move(name)};
  co_return (co_await authorizer_.authorize(attributes)).allowed();
}

Task<ApiResult<>> RbacEscalationCheck::check_rules(const AdmissionRequest& request,
                                                   const std::vector<PolicyRule>& rules) {
  const auto index = CO_TRY(co_await cache_.index());
  const auto missing = uncovered(index->rules_for(request.user, request.namespace_), rules);
  if (missing.empty()) co_return ApiResult<>();
  co_return std::unexpected(forbidden(
      request.group_resource(), request.name,
      fmt::format("user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
                  quote(request.user.name), quote_list(request.user.groups), describe_missing(missing))));
}

Task<ApiResult<>> RbacEscalationCheck::validate_role(const AdmissionRequest& request) {
  const bool same_rules = request.old_object && same_at(*request.old_object, *request.object, {"rules"}) &&
                          same_at(*request.old_object, *request.object, {"aggregationRule"});
  if (same_rules || co_await permitted(request, "escalate", request.resource, request.name))
    co_return ApiResult<>();
  // Who may aggregate may get any rule at all.
  if (find(*request.object, {"aggregationRule"}) &&
      !(request.old_object && same_at(*request.old_object, *request.object, {"aggregationRule"}))) {
    const PolicyRule everything{.verbs = {"*"}, .apiGroups = {"*"}, .resources = {"*"}};
    const PolicyRule all_urls{.verbs = {"*"}, .nonResourceURLs = {"*"}};
    CO_TRY(co_await check_rules(request, {everything, all_urls}));
  }
  co_return co_await check_rules(request, rules_in(*request.object));
}

Task<ApiResult<>> RbacEscalationCheck::validate_binding(const AdmissionRequest& request) {
  if (request.old_object && same_at(*request.old_object, *request.object, {"roleRef"}) &&
      same_at(*request.old_object, *request.object, {"subjects"})) {
    co_return ApiResult<>();
  }
  const RoleRef role{.apiGroup = std::string(kGroup),
                     .kind = std::string(text_at(*request.object, {"roleRef", "kind"})),
                     .name = std::string(text_at(*request.object, {"roleRef", "name"}))};
  const std::string resource = role.kind == "Role" ? "roles" : "clusterroles";
  if (co_await permitted(request, "bind", resource, role.name)) co_return ApiResult<>();
  const auto index = CO_TRY(co_await cache_.index());
  const auto* rules = index->rules_of(role, request.namespace_);
  if (!rules) co_return std::unexpected(not_found(resource_of(resource), role.name));
  co_return co_await check_rules(request, *rules);
}

}  // namespace cloudless::apiserver::authz
