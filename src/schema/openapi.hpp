// OpenAPI documents of the API, generated from the same schemas that everything else walks.
//
// v2 is one Swagger document of all resources (kubectl explain of old, client-side apply); v3 is one document
// per group and version. Operations and definitions carry x-kubernetes-group-version-kind; fields carry the
// list, map and patch extensions.
#pragma once

#include <boost/json/fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "schema/resource.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

/// A resource to describe: built-in, or custom with the OpenAPI schema its definition has (else null).
struct OpenApiResource {
  const ResourceInfo* info = nullptr;
  const boost::json::value* custom_schema = nullptr;
};

struct OpenApiOptions {
  std::string title = "Kubernetes";
  std::string version;  // "v1.35.0"
  /// Every described type (api::types()), for references.
  std::span<const Schema* const> types;
};

/// The Swagger 2.0 document.
boost::json::value openapi_v2(std::span<const OpenApiResource> resources, const OpenApiOptions& options);
/// The OpenAPI 3.0 document of one group and version ("apis/apps/v1", "api/v1").
boost::json::value openapi_v3(std::string_view group, std::string_view version,
                              std::span<const OpenApiResource> resources, const OpenApiOptions& options);
/// A Swagger 2.0 document as gnostic's openapi.v2.Document message, which kubectl asks for
/// (application/com.github.proto-openapi.spec.v2@v1.0+protobuf).
std::string openapi_v2_protobuf(const boost::json::value& document);

/// "io.k8s.api.core.v1.Pod".
std::string definition_name(const Schema& schema);

}  // namespace cloudless::schema
