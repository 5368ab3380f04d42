#include "apiserver/discovery/documents.hpp"

#include <algorithm>

#include "api/registry.hpp"
#include "apiserver/custom/custom_resource.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/printers/table.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "schema/json.hpp"
#include "schema/openapi.hpp"

namespace cloudless::apiserver {

namespace {

// What clients ask for has an '@' in it, which no media type may have; the answer says it with a dot.
constexpr std::string_view kOpenApiV2Protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
constexpr std::string_view kOpenApiV2ProtobufAsked = "com.github.proto-openapi.spec.v2@v1.0+protobuf";

std::vector<schema::OpenApiResource> open_api_resources(const Catalog& catalog, const std::string* group,
                                                        const std::string* version) {
  std::vector<schema::OpenApiResource> out;
  for (const ResourceTypePtr& type : catalog.types()) {
    for (const Representation& representation : type->representations) {
      if (!representation.served || (group && representation.group != *group)) continue;
      if (version && representation.version != *version) continue;
      const json::value* custom = type->custom ? type->custom->open_api(representation.version) : nullptr;
      out.push_back({representation.info, custom});
      for (const schema::ResourceInfo* sub : representation.subresources) out.push_back({sub, custom});
    }
  }
  return out;
}

schema::OpenApiOptions open_api_options() {
  return {.version = std::string(kGitVersion), .types = api::types()};
}

// "api/v1" and "apis/apps/v1" as group and version.
std::optional<std::pair<std::string, std::string>> group_version_of(std::string_view path) {
  const std::vector<std::string_view> parts = split(path, '/');
  if (parts.size() == 2 && parts[0] == "api") return std::pair(std::string(), std::string(parts[1]));
  if (parts.size() == 3 && parts[0] == "apis") return std::pair(std::string(parts[1]), std::string(parts[2]));
  return std::nullopt;
}

std::string hash_of(std::string_view body) { return to_upper(hex_encode(sha256(body))); }

bool accepts(const net::Headers& headers, std::string_view type) {
  return std::ranges::any_of(headers.all("accept"),
                             [&](std::string_view value) { return value.contains(type); });
}

// The JSON text of a discovery path; nothing where there is none.
std::optional<json::object> discovery_document(const Catalog& catalog,
                                               const std::vector<ExtensionGroupVersion>& extensions,
                                               std::string_view path, const MediaType& media) {
  const bool aggregated = media.shape == Shape::kAggregated;
  if (path == "/api")
    return aggregated ? aggregated_discovery(catalog, DiscoveryPart::kCore) : api_versions();
  if (path == "/apis") {
    json::object list =
        aggregated ? aggregated_discovery(catalog, DiscoveryPart::kGroups) : api_group_list(catalog);
    if (aggregated) {
      add_to_discovery(list, extensions);
    } else {
      add_to_group_list(list, extensions);
    }
    return list;
  }
  if (path == "/version") return version_info();
  const std::vector<std::string_view> parts = split(path.substr(1), '/');
  if (parts.size() == 2 && parts[0] == "apis") {
    const auto group = std::ranges::find(catalog.groups(), parts[1], &ApiGroup::name);
    if (group == catalog.groups().end()) return extension_group(extensions, parts[1]);
    return api_group(*group);
  }
  const auto version = group_version_of(path.substr(1));
  if (!version || !catalog.serves(version->first, version->second)) return std::nullopt;
  return api_resource_list(catalog, version->first, version->second);
}

Document make_document(SharedBytes body, std::string content_type) {
  std::string etag = fmt::format("\"{}\"", hash_of(*body));
  return {std::move(body), std::move(content_type), std::move(etag)};
}

// What is served in one group and version.
std::vector<ResourceTypePtr> types_of(const Catalog& catalog, const std::string& group,
                                      const std::string& version) {
  std::vector<ResourceTypePtr> types;
  for (const Endpoint& endpoint : catalog.endpoints(group, version)) types.push_back(endpoint.type);
  return types;
}

}  // namespace

const Documents::OpenApiPart& Documents::open_api_part(const Catalog& catalog, const std::string& group,
                                                       const std::string& version) {
  OpenApiPart& part = open_api_parts_[{group, version}];
  std::vector<ResourceTypePtr> types = types_of(catalog, group, version);
  if (part.body && part.types == types) return part;
  const std::vector<schema::OpenApiResource> resources = open_api_resources(catalog, &group, &version);
  std::string body =
      schema::serialize_json(schema::openapi_v3(group, version, resources, open_api_options()));
  std::string hash = hash_of(body);
  part = {std::move(types), share(std::move(body)), std::move(hash)};
  return part;
}

// The index of /openapi/v3: where each group and version is, with the hash of its content.
std::string Documents::open_api_v3_index(const Catalog& catalog) {
  json::object paths;
  std::erase_if(open_api_parts_,
                [&](const auto& entry) { return !catalog.serves(entry.first.first, entry.first.second); });
  for (const ApiGroup& group : catalog.groups()) {
    for (const std::string& version : group.versions) {
      const std::string path =
          group.name.empty() ? "api/" + version : fmt::format("apis/{}/{}", group.name, version);
      const std::string& hash = open_api_part(catalog, group.name, version).hash;
      paths[path] = {{"serverRelativeURL", fmt::format("/openapi/v3/{}?hash={}", path, hash)}};
    }
  }
  for (const ExtensionGroupVersion& extension : *extensions_) {
    if (extension.open_api.empty()) continue;
    paths[fmt::format("apis/{}/{}", extension.service.group, extension.service.version)] = {
        {"serverRelativeURL", extension.open_api}};
  }
  return schema::serialize_json(json::object{{"paths", std::move(paths)}});
}

std::optional<SharedBytes> Documents::open_api_document(const Catalog& catalog, std::string_view path,
                                                        bool protobuf) {
  constexpr std::string_view kV3 = "/openapi/v3/";
  if (path == "/openapi/v2") {
    const json::value document =
        schema::openapi_v2(open_api_resources(catalog, nullptr, nullptr), open_api_options());
    return share(protobuf ? schema::openapi_v2_protobuf(document) : schema::serialize_json(document));
  }
  if (path == "/openapi/v3") return share(open_api_v3_index(catalog));
  if (!path.starts_with(kV3)) return std::nullopt;
  const auto version = group_version_of(path.substr(kV3.size()));
  if (!version || !catalog.serves(version->first, version->second)) return std::nullopt;
  return open_api_part(catalog, version->first, version->second).body;
}

ApiResult<std::optional<Document>> Documents::get(const CatalogPtr& catalog, const ExtensionsPtr& extensions,
                                                  std::string_view path, const net::Headers& headers,
                                                  std::string_view query) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const bool open_api = path.starts_with("/openapi/");
  const bool protobuf = path == "/openapi/v2" && accepts(headers, kOpenApiV2ProtobufAsked);
  MediaType media;
  if (!open_api) media = TRY(negotiate(headers, query, {.aggregated = true, .protobuf = false}));
  const std::string key = fmt::format("{} {} {} {}", path, protobuf, media.shape == Shape::kAggregated,
                                      media.pretty && !open_api);
  const std::lock_guard lock(mutex_);
  if (catalog_ != catalog || extensions_ != extensions) {
    documents_.clear();
    catalog_ = catalog;
    extensions_ = extensions;
  }
  if (const auto found = documents_.find(key); found != documents_.end()) return found->second;
  std::optional<Document> document;
  if (open_api) {
    std::optional<SharedBytes> body = open_api_document(*catalog, path, protobuf);
    if (!body) return std::nullopt;
    document =
        make_document(std::move(*body), protobuf ? std::string(kOpenApiV2Protobuf) : "application/json");
  } else {
    const std::optional<json::object> object = discovery_document(*catalog, *extensions, path, media);
    if (!object) return std::nullopt;
    document = make_document(share(media.pretty ? pretty_json(*object) : schema::serialize_json(*object)),
                             media.content_type(false));
  }
  documents_.emplace(key, *document);
  return document;
}

}  // namespace cloudless::apiserver
