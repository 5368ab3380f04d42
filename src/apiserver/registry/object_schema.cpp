#include "apiserver/registry/object_schema.hpp"

#include "apiserver/json_fields.hpp"
#include "apiserver/registry/conversion.hpp"
#include "apiserver/registry/kind_versions.hpp"
#include "schema/defaulting.hpp"
#include "schema/field_error.hpp"
#include "schema/managed_fields.hpp"
#include "schema/normalize.hpp"
#include "schema/validation.hpp"

namespace cloudless::apiserver {

namespace {

const schema::Schema& schema_of(const ResourceType& type) {
  return *type.storage_representation().info->schema;
}

schema::Scope scope_of(const ResourceType& type) {
  return type.namespaced ? schema::Scope::kNamespaced : schema::Scope::kCluster;
}

ApiResult<> report(const ResourceType& type, const json::object& object, const schema::FieldErrors& errors) {
  if (errors.empty()) return {};
  std::vector<StatusCause> causes;
  for (const schema::FieldError& error : errors) {
    causes.push_back({std::string(error.reason()), error.body, error.field});
  }
  return std::unexpected(invalid(type.id.group, type.kind, name_of(object), std::move(causes)));
}

}  // namespace

ApiResult<> complete_object(const ResourceType& type, json::object& object) {
  json::value value(std::move(object));
  Result<json::value> normal = schema::normalize(value, schema_of(type));
  if (!normal) return std::unexpected(bad_request(normal.error().message));
  schema::apply_defaults(*normal, schema_of(type));
  object = std::move(normal->as_object());
  return {};
}

ApiResult<> validate_create(const ResourceType& type, const json::object& object) {
  return report(type, object, schema::validate(json::value(object), schema_of(type), scope_of(type)));
}

ApiResult<> validate_update(const ResourceType& type, std::string_view subresource,
                            const json::object& present, const json::object& object) {
  // These change what an ordinary update may not.
  if (subresource == "binding" || subresource == "resize" || subresource == "ephemeralcontainers") {
    return validate_create(type, object);
  }
  const json::value fresh(object);
  const json::value old(present);
  const auto errors = subresource == "status" || subresource == "approval"
                          ? schema::validate_status_update(fresh, old, schema_of(type), scope_of(type))
                          : schema::validate_update(fresh, old, schema_of(type), scope_of(type));
  return report(type, object, errors);
}

ApiResult<> track_fields(const ResourceType& type, const json::object* present, json::object& object,
                         const WriteRequest& request, WallTime now) {
  if (request.applied) return {};
  const Representation& written = *request.endpoint.representation;
  const Representation& stored = type.storage_representation();
  const ResourceVersions versions(type);
  const schema::FieldManager manager{.name = request.field_manager,
                                     .api_version = written.api_version(),
                                     .subresource = request.subresource,
                                     .status_apart = type.has_subresource("status"),
                                     .versions = &versions};
  const auto as_written = [&](const json::object& each) {
    json::object converted = each;
    convert(converted, stored, written);
    return json::value(std::move(converted));
  };
  const json::value live = present ? as_written(*present) : json::value(nullptr);
  Result<json::value> tracked =
      schema::track_update(live, as_written(object), *written.info->schema, manager, now);
  if (!tracked) return std::unexpected(bad_request(tracked.error().message));
  copy_member(tracked->at("metadata").as_object(), metadata(object), "managedFields");
  return {};
}

}  // namespace cloudless::apiserver
