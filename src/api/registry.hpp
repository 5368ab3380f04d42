// The built-in kinds and resources, generated from /api.
#pragma once

#include <span>
#include <string_view>

#include "schema/resource.hpp"
#include "schema/schema.hpp"

namespace cloudless::api {

/// Every served resource and subresource of the stable groups.
std::span<const schema::ResourceInfo> resources();
/// Every described type, kinds and others.
std::span<const schema::Schema* const> types();

/// The schema of a kind, or null. The core group is "". Kinds of meta.k8s.io (Status, DeleteOptions, Table,
/// ...) are found under every group and version, as upstream registers them everywhere.
const schema::Schema* find_kind(std::string_view group, std::string_view version, std::string_view kind);
/// The same with "apps/v1" or "v1".
const schema::Schema* find_kind(std::string_view api_version, std::string_view kind);
/// The described type of that package and name: ("k8s.io.api.core.v1", "PodSpec"), or null.
const schema::Schema* find_type(std::string_view package, std::string_view name);
/// The resource or subresource, or null: ("apps", "v1", "deployments/scale").
const schema::ResourceInfo* find_resource(std::string_view group, std::string_view version,
                                          std::string_view resource);

}  // namespace cloudless::api
