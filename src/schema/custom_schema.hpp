// CustomSchema: the Schema of a custom resource, made from the OpenAPI v3 schema of its definition.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "schema/field_error.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

/// Owns the storage of one schema tree. Immutable; shared by whoever serves the resource.
class CustomSchema {
 public:
  /// `open_api` is spec.versions[].schema.openAPIV3Schema, or null for a version without one (then everything
  /// is kept). `object_meta` is the built-in ObjectMeta, which metadata of the object and of embedded
  /// resources has.
  static Result<std::shared_ptr<const CustomSchema>> make(std::string_view group, std::string_view version,
                                                          std::string_view kind,
                                                          const boost::json::value& open_api,
                                                          const Schema& object_meta);
  /// Lives as long as this object.
  virtual const Schema& root() const = 0;
  virtual ~CustomSchema() = default;
};

/// What makes the schema not structural, as the NonStructuralSchema condition reports it; and keywords that
/// CRDs forbid. Errors are below `path` ("spec.validation.openAPIV3Schema").
FieldErrors validate_structural(const boost::json::value& open_api, const Path& path);

}  // namespace cloudless::schema
