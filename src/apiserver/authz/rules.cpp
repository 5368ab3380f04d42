#include "apiserver/authz/rules.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/strings.hpp"

namespace cloudless::apiserver::authz {

namespace {

constexpr std::string_view kAll = "*";

bool has(const std::vector<std::string>& list, std::string_view item) {
  return std::ranges::find(list, item) != list.end();
}

bool has_or_all(const std::vector<std::string>& list, std::string_view item) {
  return has(list, kAll) || has(list, item);
}

// "pods", "pods/log", and in rules also "*/scale".
bool resource_matches(const PolicyRule& rule, std::string_view resource, std::string_view subresource) {
  if (has(rule.resources, kAll)) return true;
  const std::string combined =
      subresource.empty() ? std::string(resource) : fmt::format("{}/{}", resource, subresource);
  if (has(rule.resources, combined)) return true;
  return !subresource.empty() && has(rule.resources, fmt::format("*/{}", subresource));
}

bool url_matches(const PolicyRule& rule, std::string_view path) {
  return std::ranges::any_of(rule.nonResourceURLs, [&](const std::string& url) {
    if (url == kAll || url == path) return true;
    return url.ends_with('*') && path.starts_with(std::string_view(url).substr(0, url.size() - 1));
  });
}

bool name_matches(const PolicyRule& rule, std::string_view name) {
  return rule.resourceNames.empty() || has(rule.resourceNames, name);
}

bool covers_resource(const PolicyRule& held, const std::string& wanted) {
  const size_t slash = wanted.find('/');
  if (slash == std::string::npos) return has_or_all(held.resources, wanted);
  return resource_matches(held, wanted.substr(0, slash), wanted.substr(slash + 1));
}

// Whether one rule of `held` covers `wanted`, which has one of everything.
bool covers(const PolicyRule& held, const PolicyRule& wanted) {
  if (!has_or_all(held.verbs, wanted.verbs.front())) return false;
  if (!wanted.nonResourceURLs.empty()) return url_matches(held, wanted.nonResourceURLs.front());
  if (!has_or_all(held.apiGroups, wanted.apiGroups.front())) return false;
  if (!covers_resource(held, wanted.resources.front())) return false;
  if (held.resourceNames.empty()) return true;
  return !wanted.resourceNames.empty() && has(held.resourceNames, wanted.resourceNames.front());
}

void break_resources(const PolicyRule& rule, std::vector<PolicyRule>& out) {
  for (const auto& group : rule.apiGroups) {
    for (const auto& resource : rule.resources) {
      for (const auto& verb : rule.verbs) {
        if (rule.resourceNames.empty())
          out.push_back({.verbs = {verb}, .apiGroups = {group}, .resources = {resource}});
        for (const auto& name : rule.resourceNames)
          out.push_back(
              {.verbs = {verb}, .apiGroups = {group}, .resources = {resource}, .resourceNames = {name}});
      }
    }
  }
}

std::vector<PolicyRule> break_down(const std::vector<PolicyRule>& rules) {
  std::vector<PolicyRule> out;
  for (const PolicyRule& rule : rules) {
    break_resources(rule, out);
    for (const auto& url : rule.nonResourceURLs) {
      for (const auto& verb : rule.verbs) out.push_back({.verbs = {verb}, .nonResourceURLs = {url}});
    }
  }
  return out;
}

}  // namespace

bool rule_allows(const PolicyRule& rule, const Attributes& attributes) {
  if (!has_or_all(rule.verbs, attributes.verb)) return false;
  if (!attributes.is_resource_request) return url_matches(rule, attributes.path);
  return has_or_all(rule.apiGroups, attributes.group) &&
         resource_matches(rule, attributes.resource, attributes.subresource) &&
         name_matches(rule, attributes.name);
}

std::vector<PolicyRule> uncovered(const std::vector<PolicyRule>& held,
                                  const std::vector<PolicyRule>& wanted) {
  std::vector<PolicyRule> missing;
  for (PolicyRule& part : break_down(wanted)) {
    if (std::ranges::none_of(held, [&](const PolicyRule& rule) { return covers(rule, part); }))
      missing.push_back(std::move(part));
  }
  return missing;
}

std::vector<PolicyRule> compact(const std::vector<PolicyRule>& rules) {
  // Verbs of the same groups, resources, names and URLs stand together, in the order of their first mention.
  std::vector<PolicyRule> out;
  for (const PolicyRule& rule : rules) {
    const auto same = std::ranges::find_if(out, [&](const PolicyRule& other) {
      return std::tie(other.apiGroups, other.resources, other.resourceNames, other.nonResourceURLs) ==
             std::tie(rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs);
    });
    if (same == out.end()) {
      out.push_back(rule);
      continue;
    }
    for (const auto& verb : rule.verbs) {
      if (!has(same->verbs, verb)) same->verbs.push_back(verb);
    }
  }
  return out;
}

std::string quote_list(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const auto& text : texts) quoted.push_back(quote(text));
  return "[" + join(quoted, " ") + "]";
}

std::string to_text(const PolicyRule& rule) {
  std::vector<std::string> parts;
  const auto add = [&](std::string_view name, const std::vector<std::string>& values) {
    if (!values.empty()) parts.push_back(fmt::format("{}:{}", name, quote_list(values)));
  };
  add("APIGroups", rule.apiGroups);
  add("Resources", rule.resources);
  add("NonResourceURLs", rule.nonResourceURLs);
  add("ResourceNames", rule.resourceNames);
  add("Verbs", rule.verbs);
  return "{" + join(parts, ", ") + "}";
}

}  // namespace cloudless::apiserver::authz
