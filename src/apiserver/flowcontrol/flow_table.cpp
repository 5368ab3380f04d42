#include "apiserver/flowcontrol/flow_table.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "apiserver/authn/users.hpp"
#include "base/ranges.hpp"

namespace cloudless::apiserver {

namespace flow = api::flowcontrol::v1;

namespace {

constexpr std::string_view kAll = "*";

bool has(const std::vector<std::string>& list, std::string_view item) {
  return std::ranges::any_of(list, [&](const std::string& each) { return each == kAll || each == item; });
}

bool matches(const flow::Subject& subject, const UserInfo& user) {
  if (subject.user) return subject.user->name == kAll || subject.user->name == user.name;
  if (subject.group) return subject.group->name == kAll || user.in_group(subject.group->name);
  if (!subject.serviceAccount) return false;
  const auto& account = *subject.serviceAccount;
  if (account.name != kAll) return authn::service_account_user(account.namespace_, account.name) == user.name;
  return user.name.starts_with(authn::service_account_user(account.namespace_, ""));
}

bool matches(const flow::ResourcePolicyRule& rule, const RequestInfo& info) {
  const std::string resource =
      info.subresource.empty() ? info.resource : info.resource + "/" + info.subresource;
  if (!has(rule.verbs, info.verb) || !has(rule.apiGroups, info.group) || !has(rule.resources, resource))
    return false;
  return info.namespace_.empty() ? rule.clusterScope : has(rule.namespaces, info.namespace_);
}

bool matches_path(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('*')) return pattern == path;
  return path.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool matches(const flow::NonResourcePolicyRule& rule, const RequestInfo& info) {
  return has(rule.verbs, info.verb) && std::ranges::any_of(rule.nonResourceURLs, [&](const auto& pattern) {
           return matches_path(pattern, info.path);
         });
}

bool matches(const flow::PolicyRulesWithSubjects& rules, const UserInfo& user, const RequestInfo& info) {
  if (!std::ranges::any_of(rules.subjects, [&](const auto& subject) { return matches(subject, user); }))
    return false;
  const auto fits = [&](const auto& rule) { return matches(rule, info); };
  return info.is_resource_request ? std::ranges::any_of(rules.resourceRules, fits)
                                  : std::ranges::any_of(rules.nonResourceRules, fits);
}

}  // namespace

FlowTable::FlowTable(std::vector<flow::FlowSchema> schemas,
                     std::vector<flow::PriorityLevelConfiguration> levels) {
  std::map<std::string_view, const flow::PriorityLevelConfiguration*> by_name;
  for (const auto& level : levels) by_name.emplace(level.metadata.name, &level);
  std::ranges::sort(schemas, {}, [](const flow::FlowSchema& schema) {
    return std::tuple(schema.spec.matchingPrecedence, std::string_view(schema.metadata.name));
  });
  for (flow::FlowSchema& schema : schemas) {
    const auto level = by_name.find(schema.spec.priorityLevelConfiguration.name);
    if (level == by_name.end()) continue;
    Flow where{schema.metadata.uid, level->second->metadata.uid, level->second->spec.type == "Exempt"};
    entries_.push_back({std::move(schema), std::move(where)});
  }
}

const Flow* FlowTable::classify(const UserInfo& user, const RequestInfo& info) const {
  for (const Entry& entry : entries_) {
    for (const auto& rules : entry.schema.spec.rules) {
      if (matches(rules, user, info)) return &entry.flow;
    }
  }
  return nullptr;
}

bool is_long_running(const RequestInfo& info) {
  constexpr std::string_view kLasting[] = {"attach", "exec", "log", "portforward", "proxy"};
  return info.verb == "watch" || info.verb == "proxy" ||
         std::ranges::find(kLasting, info.subresource) != std::end(kLasting);
}

bool is_reading(const RequestInfo& info) {
  return info.verb == "get" || info.verb == "list" || info.verb == "watch";
}

}  // namespace cloudless::apiserver
