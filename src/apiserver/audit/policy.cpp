#include "apiserver/audit/policy.hpp"

#include <algorithm>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "schema/yaml.hpp"

namespace cloudless::apiserver::audit {

namespace {

constexpr Auditor::Level kLevels[] = {Auditor::Level::kNone, Auditor::Level::kMetadata,
                                      Auditor::Level::kRequest, Auditor::Level::kRequestResponse};

std::vector<std::string> texts_at(const json::object& object, std::string_view name) {
  std::vector<std::string> out;
  for (const json::value& item : array_at(object, {name})) {
    if (item.is_string()) out.emplace_back(item.get_string());
  }
  return out;
}

Result<PolicyRule> read_rule(const json::object& object) {
  PolicyRule rule{.users = texts_at(object, "users"),
                  .groups = texts_at(object, "userGroups"),
                  .verbs = texts_at(object, "verbs"),
                  .namespaces = texts_at(object, "namespaces"),
                  .paths = texts_at(object, "nonResourceURLs")};
  const std::string_view level = text_at(object, {"level"});
  const auto known = std::ranges::find(kLevels, level, [](Auditor::Level item) { return to_string(item); });
  if (known == std::end(kLevels))
    return fail(Code::kInvalid,
                "rules.level: Unsupported value: {}: supported values: \"None\", \"Metadata\", "
                "\"Request\", \"RequestResponse\"",
                quote(level));
  rule.level = *known;
  for (const json::value& item : array_at(object, {"resources"})) {
    if (!item.is_object()) return fail(Code::kInvalid, "rules.resources: an item is an object");
    rule.resources.push_back({std::string(text_at(item.get_object(), {"group"})),
                              texts_at(item.get_object(), "resources"),
                              texts_at(item.get_object(), "resourceNames")});
  }
  if (!rule.paths.empty() && (!rule.resources.empty() || !rule.namespaces.empty()))
    return fail(Code::kInvalid,
                "rules.nonResourceURLs: Invalid value: rules cannot apply to both regular resources and "
                "non-resource URLs");
  return rule;
}

bool has(const std::vector<std::string>& list, std::string_view item) {
  return std::ranges::find(list, item) != list.end();
}

bool names_resource(const std::string& pattern, const Attributes& attributes) {
  const std::string combined = attributes.subresource.empty()
                                   ? attributes.resource
                                   : attributes.resource + "/" + attributes.subresource;
  if (pattern == "*" || pattern == combined) return true;
  if (attributes.subresource.empty()) return false;
  return pattern == "*/" + attributes.subresource || pattern == attributes.resource + "/*";
}

bool matches(const ResourcePattern& pattern, const Attributes& attributes) {
  if (pattern.group != attributes.group) return false;
  if (!pattern.names.empty() && !has(pattern.names, attributes.name)) return false;
  return pattern.resources.empty() || std::ranges::any_of(pattern.resources, [&](const auto& text) {
           return names_resource(text, attributes);
         });
}

bool matches_path(const PolicyRule& rule, const std::string& path) {
  return std::ranges::any_of(rule.paths, [&](const std::string& pattern) {
    return pattern == path ||
           (pattern.ends_with('*') && path.starts_with(pattern.substr(0, pattern.size() - 1)));
  });
}

bool matches(const PolicyRule& rule, const Attributes& attributes) {
  if (!rule.users.empty() && !has(rule.users, attributes.user.name)) return false;
  if (!rule.groups.empty() &&
      std::ranges::none_of(rule.groups, [&](const auto& group) { return attributes.user.in_group(group); })) {
    return false;
  }
  if (!rule.verbs.empty() && !has(rule.verbs, attributes.verb)) return false;
  const bool about_resources = !rule.namespaces.empty() || !rule.resources.empty();
  if (!about_resources && rule.paths.empty()) return true;
  if (!attributes.is_resource_request) return matches_path(rule, attributes.path);
  if (!about_resources) return false;
  if (!rule.namespaces.empty() && !has(rule.namespaces, attributes.namespace_)) return false;
  return rule.resources.empty() || std::ranges::any_of(rule.resources, [&](const auto& pattern) {
           return matches(pattern, attributes);
         });
}

}  // namespace

std::string_view to_string(Auditor::Level level) {
  switch (level) {
    case Auditor::Level::kNone:
      return "None";
    case Auditor::Level::kMetadata:
      return "Metadata";
    case Auditor::Level::kRequest:
      return "Request";
    case Auditor::Level::kRequestResponse:
      return "RequestResponse";
  }
  return "";
}

Result<Policy> parse_policy(std::string_view text) {
  const json::value parsed = TRY(schema::parse_yaml(text));
  const json::object* object = parsed.if_object();
  if (!object || text_at(*object, {"kind"}) != "Policy" ||
      text_at(*object, {"apiVersion"}) != "audit.k8s.io/v1")
    return fail(Code::kInvalid, "not a Policy of audit.k8s.io/v1");
  Policy policy{.omit_managed_fields = truth_at(*object, {"omitManagedFields"})};
  for (const json::value& item : array_at(*object, {"rules"})) {
    if (!item.is_object()) return fail(Code::kInvalid, "rules: an item is an object");
    policy.rules.push_back(TRY(read_rule(item.get_object())));
  }
  if (policy.rules.empty()) return fail(Code::kInvalid, "rules: loaded illegal policy with 0 rules");
  return policy;
}

Auditor::Level level_of(const Policy& policy, const Attributes& attributes) {
  const auto rule =
      std::ranges::find_if(policy.rules, [&](const PolicyRule& item) { return matches(item, attributes); });
  return rule == policy.rules.end() ? Auditor::Level::kNone : rule->level;
}

}  // namespace cloudless::apiserver::audit
