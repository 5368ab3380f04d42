#include "apiserver/authz/access_review.hpp"

#include "apiserver/authn/users.hpp"
#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::authz {

using runtime::Task;

namespace {

constexpr std::string_view kGroup = "authorization.k8s.io";

json::array to_array(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

std::vector<std::string> texts_at(const json::object& object, Path path) {
  std::vector<std::string> out;
  for (const json::value& item : array_at(object, path)) {
    if (item.is_string()) out.emplace_back(item.get_string());
  }
  return out;
}

UserInfo subject_of(const json::object& spec) {
  UserInfo user{.name = std::string(text_at(spec, {"user"})),
                .uid = std::string(text_at(spec, {"uid"})),
                .groups = texts_at(spec, {"groups"})};
  const json::object* extra = object_at(spec, {"extra"});
  if (!extra) return user;
  for (const auto& [key, unused] : *extra) user.extra[to_lower(key)] = texts_at(*extra, {key});
  return user;
}

Attributes attributes_of(UserInfo user, const json::object& spec) {
  Attributes attributes{.user = std::move(user)};
  if (const json::object* url = object_at(spec, {"nonResourceAttributes"})) {
    attributes.path = text_at(*url, {"path"});
    attributes.verb = text_at(*url, {"verb"});
    return attributes;
  }
  const json::object& resource = *object_at(spec, {"resourceAttributes"});
  attributes.is_resource_request = true;
  attributes.verb = text_at(resource, {"verb"});
  attributes.group = text_at(resource, {"group"});
  attributes.version = text_at(resource, {"version"});
  attributes.resource = text_at(resource, {"resource"});
  attributes.subresource = text_at(resource, {"subresource"});
  attributes.namespace_ = text_at(resource, {"namespace"});
  attributes.name = text_at(resource, {"name"});
  attributes.field_selector = text_at(resource, {"fieldSelector", "rawSelector"});
  attributes.label_selector = text_at(resource, {"labelSelector", "rawSelector"});
  return attributes;
}

std::string_view kind_of(AccessReview::About about) {
  if (about == AccessReview::About::kSelf) return "SelfSubjectAccessReview";
  return about == AccessReview::About::kSubject ? "SubjectAccessReview" : "LocalSubjectAccessReview";
}

std::vector<StatusCause> check(AccessReview::About about, const json::object& spec,
                               const CreateContext& context) {
  std::vector<StatusCause> causes;
  const bool on_resource = object_at(spec, {"resourceAttributes"}) != nullptr;
  const bool on_path = object_at(spec, {"nonResourceAttributes"}) != nullptr;
  if (on_resource == on_path)
    causes.push_back(
        {"FieldValueInvalid",
         on_path ? "Invalid value: \"nonResourceAttributes\": cannot be specified in combination with "
                   "resourceAttributes"
                 : "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes "
                   "must be specified",
         on_path ? "spec.nonResourceAttributes" : "spec.resourceAttributes"});
  if (about != AccessReview::About::kSelf && text_at(spec, {"user"}).empty() &&
      array_at(spec, {"groups"}).empty())
    causes.push_back({"FieldValueInvalid",
                      "Invalid value: \"\": at least one of user or group must be specified", "spec.user"});
  if (about == AccessReview::About::kSubjectInNamespace && on_resource &&
      text_at(spec, {"resourceAttributes", "namespace"}) != context.namespace_) {
    causes.push_back({"FieldValueInvalid",
                      fmt::format("Invalid value: {}: must match metadata.namespace",
                                  quote(text_at(spec, {"resourceAttributes", "namespace"}))),
                      "spec.resourceAttributes.namespace"});
  }
  return causes;
}

json::object to_status(const Decision& decision) {
  json::object status{{"allowed", decision.allowed()}};
  if (decision.kind == Decision::Kind::kDeny) status["denied"] = true;
  if (!decision.reason.empty()) status["reason"] = decision.reason;
  return status;
}

}  // namespace

Task<ApiResult<json::object>> AccessReview::create(const CreateContext& context, json::object object) {
  const json::object& spec = make_object(object, {"spec"});
  auto causes = check(about_, spec, context);
  if (!causes.empty()) co_return std::unexpected(invalid(kGroup, kind_of(about_), "", std::move(causes)));
  UserInfo user = about_ == About::kSelf ? context.user : subject_of(spec);
  const Decision decision = co_await authorizer_.authorize(attributes_of(std::move(user), spec));
  object["status"] = to_status(decision);
  co_return object;
}

Task<ApiResult<json::object>> SelfRulesReview::create(const CreateContext& context, json::object object) {
  const std::string ns(text_at(object, {"spec", "namespace"}));
  if (ns.empty()) co_return std::unexpected(bad_request("no namespace on request"));
  const auto index = CO_TRY(co_await cache_.index());
  json::array resource_rules;
  json::array url_rules;
  for (const PolicyRule& rule : index->rules_for(context.user, ns)) {
    if (!rule.resources.empty()) {
      json::object item{{"verbs", to_array(rule.verbs)},
                        {"apiGroups", to_array(rule.apiGroups)},
                        {"resources", to_array(rule.resources)}};
      if (!rule.resourceNames.empty()) item["resourceNames"] = to_array(rule.resourceNames);
      resource_rules.push_back(std::move(item));
    }
    if (!rule.nonResourceURLs.empty())
      url_rules.push_back(
          {{"verbs", to_array(rule.verbs)}, {"nonResourceURLs", to_array(rule.nonResourceURLs)}});
  }
  if (context.user.in_group(kGroupMasters)) {
    const json::array all{"*"};
    resource_rules.push_back({{"verbs", all}, {"apiGroups", all}, {"resources", all}});
    url_rules.push_back({{"verbs", all}, {"nonResourceURLs", all}});
  }
  json::object status{{"resourceRules", std::move(resource_rules)},
                      {"nonResourceRules", std::move(url_rules)},
                      {"incomplete", false}};
  if (authn::node_name_of(context.user)) {
    status["incomplete"] = true;
    status["evaluationError"] = "node authorizer does not support user rule resolution";
  }
  object["status"] = std::move(status);
  co_return object;
}

}  // namespace cloudless::apiserver::authz
