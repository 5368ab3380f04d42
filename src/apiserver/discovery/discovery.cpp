// Discovery documents (k8s.io/apiserver/pkg/endpoints/discovery; KEP-3352 for the aggregated form).
#include <algorithm>

#include "apiserver/discovery/documents.hpp"
#include "apiserver/json_fields.hpp"
#include "schema/resource.hpp"

namespace cloudless::apiserver {

namespace {

std::string group_version(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

json::array texts(std::span<const std::string_view> values) {
  return json::array(values.begin(), values.end());
}

json::object version_entry(std::string_view group, std::string_view version) {
  return {{"groupVersion", group_version(group, version)}, {"version", version}};
}

json::object group_body(const ApiGroup& group) {
  json::array versions;
  for (const std::string& version : group.versions) versions.push_back(version_entry(group.name, version));
  return {{"name", group.name},
          {"versions", std::move(versions)},
          {"preferredVersion", version_entry(group.name, group.versions.front())}};
}

json::object api_resource(const schema::ResourceInfo& info, const ResourceType& type) {
  json::object out{{"name", info.resource}, {"singularName", info.singular}, {"namespaced", info.namespaced}};
  if (info.kind_group != info.group || info.kind_version != info.version) {
    if (!info.kind_group.empty()) out["group"] = info.kind_group;
    out["version"] = info.kind_version;
  }
  out["kind"] = info.kind;
  out["verbs"] = texts(info.verbs);
  if (!info.short_names.empty()) out["shortNames"] = texts(info.short_names);
  if (!info.categories.empty()) out["categories"] = texts(info.categories);
  if (!info.is_subresource() && type.stored) {
    const Representation& stored = type.storage_representation();
    out["storageVersionHash"] = schema::storage_version_hash(stored.group, stored.version, type.kind);
  }
  return out;
}

json::object kind_reference(const schema::ResourceInfo& info) {
  return {{"group", info.kind_group}, {"version", info.kind_version}, {"kind", info.kind}};
}

json::object resource_discovery(const Endpoint& endpoint) {
  const schema::ResourceInfo& info = *endpoint.representation->info;
  json::object out{{"resource", info.resource},
                   {"responseKind", kind_reference(info)},
                   {"scope", info.namespaced ? "Namespaced" : "Cluster"},
                   {"singularResource", info.singular},
                   {"verbs", texts(info.verbs)}};
  if (!info.short_names.empty()) out["shortNames"] = texts(info.short_names);
  if (!info.categories.empty()) out["categories"] = texts(info.categories);
  json::array subresources;
  for (const schema::ResourceInfo* sub : endpoint.representation->subresources) {
    subresources.push_back({{"subresource", sub->resource.substr(sub->resource.find('/') + 1)},
                            {"responseKind", kind_reference(*sub)},
                            {"verbs", texts(sub->verbs)}});
  }
  if (!subresources.empty()) out["subresources"] = std::move(subresources);
  return out;
}

}  // namespace

json::object api_versions() {
  return {{"kind", "APIVersions"},
          {"versions", json::array{"v1"}},
          {"serverAddressByClientCIDRs",
           json::array{json::object{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", ""}}}}};
}

json::object api_group_list(const Catalog& catalog) {
  json::array groups;
  for (const ApiGroup& group : catalog.groups()) {
    if (!group.name.empty()) groups.push_back(group_body(group));
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

json::object api_group(const ApiGroup& group) {
  json::object out{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
  for (auto& [name, value] : group_body(group)) out[name] = value;
  return out;
}

json::object api_resource_list(const Catalog& catalog, std::string_view group, std::string_view version) {
  json::array resources;
  for (const Endpoint& endpoint : catalog.endpoints(group, version)) {
    resources.push_back(api_resource(*endpoint.representation->info, *endpoint.type));
    for (const schema::ResourceInfo* sub : endpoint.representation->subresources) {
      resources.push_back(api_resource(*sub, *endpoint.type));
    }
  }
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", group_version(group, version)},
          {"resources", std::move(resources)}};
}

json::object aggregated_discovery(const Catalog& catalog, DiscoveryPart part) {
  json::array items;
  for (const ApiGroup& group : catalog.groups()) {
    if (group.name.empty() != (part == DiscoveryPart::kCore)) continue;
    json::array versions;
    for (const std::string& version : group.versions) {
      json::array resources;
      for (const Endpoint& endpoint : catalog.endpoints(group.name, version)) {
        resources.push_back(resource_discovery(endpoint));
      }
      versions.push_back(
          {{"version", version}, {"resources", std::move(resources)}, {"freshness", "Current"}});
    }
    json::object meta;
    if (!group.name.empty()) meta["name"] = group.name;
    meta["creationTimestamp"] = nullptr;
    items.push_back({{"metadata", std::move(meta)}, {"versions", std::move(versions)}});
  }
  return {{"kind", "APIGroupDiscoveryList"},
          {"apiVersion", "apidiscovery.k8s.io/v2"},
          {"metadata", json::object()},
          {"items", std::move(items)}};
}

namespace {

// The group's entry in a list of groups, made at its end where there is none.
json::object& entry_of(json::array& entries, Path name_path, std::string_view group, json::object fresh) {
  for (json::value& entry : entries) {
    if (text_at(entry.get_object(), name_path) == group) return entry.get_object();
  }
  entries.push_back(std::move(fresh));
  return entries.back().get_object();
}

json::object empty_group(std::string_view group, std::string_view version) {
  return {{"name", group}, {"versions", json::array()}, {"preferredVersion", version_entry(group, version)}};
}

bool has_version(const json::array& versions, std::string_view version) {
  return std::ranges::any_of(versions, [&](const json::value& value) {
    return text_at(value.get_object(), {"version"}) == version;
  });
}

}  // namespace

void add_to_group_list(json::object& list, const std::vector<ExtensionGroupVersion>& extensions) {
  json::array& groups = list.at("groups").as_array();
  for (const ExtensionGroupVersion& extension : extensions) {
    const auto& [group, version] = std::tie(extension.service.group, extension.service.version);
    json::array& versions =
        entry_of(groups, {"name"}, group, empty_group(group, version)).at("versions").as_array();
    if (!has_version(versions, version)) versions.push_back(version_entry(group, version));
  }
}

std::optional<json::object> extension_group(const std::vector<ExtensionGroupVersion>& extensions,
                                            std::string_view group) {
  json::object list{{"groups", json::array()}};
  add_to_group_list(list, extensions);
  for (const json::value& entry : list.at("groups").as_array()) {
    if (text_at(entry.get_object(), {"name"}) != group) continue;
    json::object out{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
    for (const auto& [name, value] : entry.get_object()) out[name] = value;
    return out;
  }
  return std::nullopt;
}

void add_to_discovery(json::object& list, const std::vector<ExtensionGroupVersion>& extensions) {
  json::array& items = list.at("items").as_array();
  for (const ExtensionGroupVersion& extension : extensions) {
    const std::string& group = extension.service.group;
    json::object fresh{{"metadata", {{"name", group}, {"creationTimestamp", nullptr}}},
                       {"versions", json::array()}};
    json::array& versions =
        entry_of(items, {"metadata", "name"}, group, std::move(fresh)).at("versions").as_array();
    if (has_version(versions, extension.service.version)) continue;
    versions.push_back({{"version", extension.service.version},
                        {"resources", discovered_resources(extension.resources)},
                        {"freshness", extension.available ? "Current" : "Stale"}});
  }
}

json::object version_info() {
  return {{"major", "1"},
          {"minor", "35"},
          {"emulationMajor", "1"},
          {"emulationMinor", "35"},
          {"minCompatibilityMajor", "1"},
          {"minCompatibilityMinor", "34"},
          {"gitVersion", kGitVersion},
          {"gitCommit", ""},
          {"gitTreeState", "clean"},
          {"buildDate", "1970-01-01T00:00:00Z"},
          {"goVersion", ""},
          {"compiler", "clang"},
          {"platform", "linux/amd64"}};
}

}  // namespace cloudless::apiserver
