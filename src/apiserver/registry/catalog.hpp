// Catalog: what this server serves at one moment: built-in resources and those of established
// CustomResourceDefinitions. Immutable and shared; a CRD's change makes a new one. Routing, discovery and
// OpenAPI all read it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/registry/strategy.hpp"
#include "apiserver/registry/watch_cache.hpp"
#include "schema/resource.hpp"

namespace cloudless::apiserver {

class CustomResource;

/// One group and version under which a resource is served.
struct Representation {
  std::string group;
  std::string version;
  const schema::ResourceInfo* info = nullptr;
  std::vector<const schema::ResourceInfo*> subresources;
  bool served = true;  // false: only stored

  std::string api_version() const;
  bool has_verb(std::string_view verb) const;
  /// "status" for pods: the info of "pods/status"; null where there is none.
  const schema::ResourceInfo* subresource(std::string_view name) const;
};

/// A resource with its stored objects. Events, for instance, are one type with two representations.
struct ResourceType {
  GroupResource id;
  std::string kind;
  bool namespaced = false;
  bool stored = true;  // false: create-only, answered by a VirtualResource
  std::string prefix;  // of the store's keys: "/registry/pods/"
  const Strategy* strategy = nullptr;
  std::vector<Representation> representations;
  size_t storage = 0;  // the representation that is stored
  std::shared_ptr<WatchCache> cache;
  /// Where the resource is defined by a CRD; null for built-in ones.
  std::shared_ptr<const CustomResource> custom;

  const Representation& storage_representation() const { return representations[storage]; }
  bool has_subresource(std::string_view name) const;
  /// The store's key. An empty name gives the prefix of a namespace, or of all with an empty namespace.
  std::string key(std::string_view namespace_, std::string_view name) const;
};
using ResourceTypePtr = std::shared_ptr<const ResourceType>;

/// A resource as it was asked for.
struct Endpoint {
  ResourceTypePtr type;
  const Representation* representation = nullptr;
};

struct ApiGroup {
  std::string name;
  std::vector<std::string> versions;  // the preferred one first
};

class Catalog {
 public:
  explicit Catalog(std::vector<ResourceTypePtr> types);

  std::optional<Endpoint> find(std::string_view group, std::string_view version,
                               std::string_view resource) const;
  /// Any version. Null where there is none.
  ResourceTypePtr find(const GroupResource& resource) const;
  bool serves(std::string_view group, std::string_view version) const;
  /// In the order of discovery: the core group, built-in groups, then those of CRDs by name.
  const std::vector<ApiGroup>& groups() const { return groups_; }
  /// The endpoints of one group and version, by resource name.
  std::vector<Endpoint> endpoints(std::string_view group, std::string_view version) const;
  const std::vector<ResourceTypePtr>& types() const { return types_; }

 private:
  std::vector<ResourceTypePtr> types_;
  std::map<std::string, Endpoint, std::less<>> endpoints_;  // "group/version/resource"
  std::map<GroupResource, ResourceTypePtr> by_id_;
  std::vector<ApiGroup> groups_;
};
using CatalogPtr = std::shared_ptr<const Catalog>;

/// `root`: what all keys start with, "/registry".
std::vector<ResourceTypePtr> builtin_types(std::string_view root);

/// Orders API versions as upstream does: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name.
bool version_precedes(std::string_view a, std::string_view b);

/// Fields that a field selector may name on a built-in resource, besides name and namespace.
FieldIndex builtin_fields(std::string_view group, std::string_view resource);

}  // namespace cloudless::apiserver
