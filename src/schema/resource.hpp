// ResourceInfo: what a served resource or subresource is called and can do; the raw material of discovery,
// routing and OpenAPI. Built-in ones are constants (api/registry.hpp), those of custom resources are made at
// run time.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "schema/schema.hpp"

namespace cloudless::schema {

struct ResourceInfo {
  std::string_view group;     // the core group is empty
  std::string_view version;   // "v1"
  std::string_view resource;  // "pods", "pods/status"
  std::string_view singular;  // empty for subresources
  std::string_view kind;      // "Pod"
  std::string_view
      kind_group;  // of `kind` and `schema`: differs from `group` for pods/eviction, scale, token
  std::string_view kind_version;
  bool namespaced = false;
  std::span<const std::string_view> verbs;  // sorted
  std::span<const std::string_view> short_names;
  std::span<const std::string_view> categories;
  /// The kind of answers; null for those without a body of a kind (log, exec, proxy).
  const Schema* schema = nullptr;
  /// The kind that create and update take.
  const Schema* request_schema = nullptr;
  bool delete_returns_object = false;  // else a Status
  /// Extra query parameters of connect and log requests: "container:string".
  std::span<const std::string_view> query;

  bool is_subresource() const { return resource.find('/') != std::string_view::npos; }
};

/// Discovery's storageVersionHash: base64 of the first 8 bytes of SHA-256 of "group/version/Kind".
std::string storage_version_hash(std::string_view group, std::string_view version, std::string_view kind);

}  // namespace cloudless::schema
