// Resource: which collection of the API an object lives in, and the path that leads there.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace cloudless::client {

enum class Scope { kNamespaced, kCluster };

struct Resource {
  std::string group;  // empty for the core group
  std::string version;
  std::string resource;  // plural, lower case: "pods"
  std::string kind;
  Scope scope = Scope::kNamespaced;

  /// "v1", "apps/v1": the apiVersion field of its objects.
  std::string api_version() const;
  /// "pods", "deployments.apps": what error messages call it.
  std::string qualified() const;
  /// The percent-encoded path of the collection, of an object, or of its subresource. Empty parts are left
  /// out: an empty namespace is all namespaces.
  std::string path(std::string_view ns, std::string_view name = {}, std::string_view subresource = {}) const;

  friend auto operator<=>(const Resource&, const Resource&) = default;
};

/// The identity of an object in its collection; "namespace/name", or "name" in cluster scope.
std::string object_key(std::string_view ns, std::string_view name);

struct NamespacedName {
  std::string ns;
  std::string name;
};
/// The opposite of object_key().
NamespacedName split_key(std::string_view key);

}  // namespace cloudless::client
