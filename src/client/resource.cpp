#include "client/resource.hpp"

#include <cassert>

#include "api/registry.hpp"
#include "client/codec.hpp"
#include "net/http.hpp"

namespace cloudless::client {

std::string Resource::api_version() const { return group.empty() ? version : group + "/" + version; }

std::string Resource::qualified() const { return group.empty() ? resource : resource + "." + group; }

std::string Resource::path(std::string_view ns, std::string_view name, std::string_view subresource) const {
  std::string path = group.empty() ? "/api/" + version : "/apis/" + group + "/" + version;
  if (scope == Scope::kNamespaced && !ns.empty()) path += "/namespaces/" + net::percent_encode(ns);
  path += "/" + resource;
  if (!name.empty()) path += "/" + net::percent_encode(name);
  if (!subresource.empty()) path += "/" + std::string(subresource);
  return path;
}

std::string object_key(std::string_view ns, std::string_view name) {
  if (ns.empty()) return std::string(name);
  std::string key;
  key.reserve(ns.size() + 1 + name.size());
  return key.append(ns).append("/").append(name);
}

NamespacedName split_key(std::string_view key) {
  const size_t slash = key.find('/');
  if (slash == std::string_view::npos) return {"", std::string(key)};
  return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

Resource resource_of_kind(std::string_view group, std::string_view version, std::string_view kind) {
  for (const schema::ResourceInfo& info : api::resources()) {
    if (info.group != group || info.version != version || info.kind != kind || info.is_subresource())
      continue;
    return {std::string(group), std::string(version), std::string(info.resource), std::string(kind),
            info.namespaced ? Scope::kNamespaced : Scope::kCluster};
  }
  assert(false && "the kind is not a resource of /api");
  return {};
}

}  // namespace cloudless::client
