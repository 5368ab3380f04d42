#include "apiserver/registry/catalog.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace cloudless::apiserver {

namespace {

std::string endpoint_key(std::string_view group, std::string_view version, std::string_view resource) {
  return fmt::format("{}/{}/{}", group, version, resource);
}

// Upstream's group priorities: the order in which kubectl resolves a name that several groups have.
int group_rank(std::string_view group) {
  constexpr std::string_view kOrder[] = {"",
                                         "apiregistration.k8s.io",
                                         "apps",
                                         "events.k8s.io",
                                         "authentication.k8s.io",
                                         "authorization.k8s.io",
                                         "autoscaling",
                                         "batch",
                                         "certificates.k8s.io",
                                         "networking.k8s.io",
                                         "policy",
                                         "rbac.authorization.k8s.io",
                                         "storage.k8s.io",
                                         "admissionregistration.k8s.io",
                                         "apiextensions.k8s.io",
                                         "scheduling.k8s.io",
                                         "coordination.k8s.io",
                                         "node.k8s.io",
                                         "discovery.k8s.io",
                                         "resource.k8s.io",
                                         "flowcontrol.apiserver.k8s.io"};
  const auto found = std::ranges::find(kOrder, group);
  return static_cast<int>(found - std::begin(kOrder));
}

// v2beta1 -> (stability: 2 GA, 1 beta, 0 alpha; 2; 1); nothing for other names.
std::optional<std::tuple<int, int, int>> version_parts(std::string_view version) {
  if (!version.starts_with('v')) return std::nullopt;
  version.remove_prefix(1);
  int major = 0;
  auto [end, error] = std::from_chars(version.data(), version.data() + version.size(), major);
  if (error != std::errc()) return std::nullopt;
  version.remove_prefix(static_cast<size_t>(end - version.data()));
  if (version.empty()) return std::tuple(2, major, 0);
  const bool beta = version.starts_with("beta");
  if (!beta && !version.starts_with("alpha")) return std::nullopt;
  version.remove_prefix(beta ? 4 : 5);
  int minor = 0;
  auto [minor_end, minor_error] = std::from_chars(version.data(), version.data() + version.size(), minor);
  if (minor_error != std::errc() || minor_end != version.data() + version.size()) return std::nullopt;
  return std::tuple(beta ? 1 : 0, major, minor);
}

}  // namespace

std::string Representation::api_version() const { return group.empty() ? version : group + "/" + version; }

bool Representation::has_verb(std::string_view verb) const {
  return info && std::ranges::find(info->verbs, verb) != info->verbs.end();
}

const schema::ResourceInfo* Representation::subresource(std::string_view name) const {
  for (const schema::ResourceInfo* sub : subresources) {
    if (sub->resource.substr(sub->resource.find('/') + 1) == name) return sub;
  }
  return nullptr;
}

bool ResourceType::has_subresource(std::string_view name) const {
  return storage_representation().subresource(name) != nullptr;
}

std::string ResourceType::key(std::string_view namespace_, std::string_view name) const {
  std::string key = prefix;
  if (namespaced && !namespace_.empty()) key.append(namespace_).append("/");
  return key.append(name);
}

bool version_precedes(std::string_view a, std::string_view b) {
  const auto left = version_parts(a);
  const auto right = version_parts(b);
  if (left && right) return *left > *right;
  if (left.has_value() != right.has_value()) return left.has_value();
  return a < b;
}

Catalog::Catalog(std::vector<ResourceTypePtr> types) : types_(std::move(types)) {
  std::map<std::string, std::vector<std::string>> versions;
  for (const ResourceTypePtr& type : types_) {
    by_id_.emplace(type->id, type);
    for (const Representation& representation : type->representations) {
      if (!representation.served) continue;
      const std::string& group = representation.group;
      const std::string& version = representation.version;
      endpoints_.emplace(endpoint_key(group, version, type->id.resource), Endpoint{type, &representation});
      std::vector<std::string>& known = versions[group];
      if (std::ranges::find(known, version) == known.end()) known.push_back(version);
      if (group != type->id.group) by_id_.emplace(GroupResource{group, type->id.resource}, type);
    }
  }
  for (auto& [name, list] : versions) {
    std::ranges::sort(list, version_precedes);
    groups_.push_back({name, std::move(list)});
  }
  std::ranges::sort(groups_, [](const ApiGroup& a, const ApiGroup& b) {
    return std::pair(group_rank(a.name), std::string_view(a.name)) <
           std::pair(group_rank(b.name), std::string_view(b.name));
  });
}

std::optional<Endpoint> Catalog::find(std::string_view group, std::string_view version,
                                      std::string_view resource) const {
  const auto found = endpoints_.find(endpoint_key(group, version, resource));
  if (found == endpoints_.end()) return std::nullopt;
  return found->second;
}

ResourceTypePtr Catalog::find(const GroupResource& resource) const {
  const auto found = by_id_.find(resource);
  return found == by_id_.end() ? nullptr : found->second;
}

bool Catalog::serves(std::string_view group, std::string_view version) const {
  const auto found = std::ranges::find(groups_, group, &ApiGroup::name);
  return found != groups_.end() && std::ranges::find(found->versions, version) != found->versions.end();
}

std::vector<Endpoint> Catalog::endpoints(std::string_view group, std::string_view version) const {
  const std::string prefix = endpoint_key(group, version, "");
  std::vector<Endpoint> out;
  for (auto it = endpoints_.lower_bound(prefix); it != endpoints_.end() && it->first.starts_with(prefix);
       ++it) {
    out.push_back(it->second);
  }
  return out;
}

}  // namespace cloudless::apiserver
