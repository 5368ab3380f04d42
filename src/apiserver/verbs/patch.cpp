// PATCH in its four media types: JSON patch, merge patch, strategic merge patch and server-side apply.
#include <fmt/ranges.h>

#include <algorithm>

#include "apiserver/json_fields.hpp"
#include "apiserver/registry/conversion.hpp"
#include "apiserver/registry/kind_versions.hpp"
#include "apiserver/registry/object_rules.hpp"
#include "apiserver/verbs/verbs.hpp"
#include "base/strings.hpp"
#include "schema/defaulting.hpp"
#include "schema/json.hpp"
#include "schema/managed_fields.hpp"
#include "schema/normalize.hpp"
#include "schema/patch.hpp"
#include "schema/yaml.hpp"

namespace cloudless::apiserver {

namespace {

constexpr std::string_view kJsonPatch = "application/json-patch+json";
constexpr std::string_view kMergePatch = "application/merge-patch+json";
constexpr std::string_view kStrategicPatch = "application/strategic-merge-patch+json";
constexpr std::string_view kApplyPatch = "application/apply-patch+yaml";

// One PATCH; made anew objects of it when the present one changes meanwhile.
struct Patching {
  const Call& call;
  const WriteOptions& options;
  const WallTime now;
  std::string type;
  std::vector<std::string> warnings;

  const schema::Schema& schema() const { return *call.representation().info->schema; }
};

ApiResult<json::object> as_object(Result<json::value> value) {
  if (!value) return std::unexpected(bad_request(value.error().message));
  if (!value->is_object()) return std::unexpected(bad_request("the patched object is no object"));
  return std::move(value->get_object());
}

// As Go prints a decoded patch with %+v: map[spec:map[replicas:x]].
std::string go_text(const json::value& value) {
  if (value.is_null()) return "<nil>";
  if (const json::string* text = value.if_string()) return std::string(*text);
  std::vector<std::string> parts;
  if (const json::array* items = value.if_array()) {
    for (const json::value& item : *items) parts.push_back(go_text(item));
    return fmt::format("[{}]", fmt::join(parts, " "));
  }
  if (const json::object* members = value.if_object()) {
    for (const auto& [key, member] : *members)
      parts.push_back(fmt::format("{}:{}", std::string_view(key), go_text(member)));
    std::ranges::sort(parts);
    return fmt::format("map[{}]", fmt::join(parts, " "));
  }
  return schema::serialize_json(value);
}

// What a strategic merge makes is not decoded from JSON upstream but converted from Go's maps, which has
// other words for "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type
// int32" (apimachinery/pkg/runtime/converter.go).
std::string conversion_words(std::string_view why) {
  constexpr std::string_view kUnmarshal = "json: cannot unmarshal ";
  const size_t into = why.find(" into Go ");
  const size_t of = why.rfind(" of type ");
  if (!why.starts_with(kUnmarshal) || into == std::string_view::npos || of == std::string_view::npos)
    return std::string(why);
  std::string_view from = why.substr(kUnmarshal.size(), into - kUnmarshal.size());
  if (from.starts_with("number")) from = "int64";
  if (from == "object") from = "map";
  if (from == "array") from = "slice";
  const std::string_view to = why.substr(of + std::string_view(" of type ").size());
  if (to.starts_with("map[")) return fmt::format("cannot restore map from {}", from);
  if (to.starts_with("[]")) return fmt::format("cannot restore slice from {}", from);
  if (from == "int64" && to == "string") return "cannot convert int64 to string";
  const bool simple = to == "string" || to == "bool" || to.starts_with("int") || to.starts_with("float");
  return simple ? fmt::format("unrecognized type: {}", to)
                : fmt::format("cannot restore struct from: {}", from);
}

// The object that the patch makes cannot be read as one of its kind (handlers/patch.go).
ApiStatus invalid_patch(const Patching& patching, const json::value& patched, std::string why) {
  std::string shown = schema::serialize_json(patched);
  if (patching.type == kStrategicPatch) {
    if (const Result<json::value> patch = schema::parse_json(patching.call.body)) shown = go_text(*patch);
    why = conversion_words(why);
  }
  return invalid("", "", "",
                 {{"FieldValueInvalid", fmt::format("Invalid value: {}: {}", quote(shown), why), "patch"}});
}

// What decoding does to a body: unknown fields, types.
ApiResult<json::value> check_fields(Patching& patching, const json::value& value) {
  std::vector<std::string> complaints;
  schema::NormalizeOptions options;
  const FieldValidation validation = patching.options.field_validation;
  if (validation != FieldValidation::kIgnore) options.strict_errors = &complaints;
  Result<json::value> normal = schema::normalize(value, patching.schema(), options);
  if (!normal) return std::unexpected(invalid_patch(patching, value, normal.error().message));
  if (!complaints.empty() && validation == FieldValidation::kStrict) {
    return std::unexpected(invalid_patch(patching, value, schema::strict_decoding_error(complaints)));
  }
  patching.warnings = std::move(complaints);
  return std::move(*normal);
}

// A well-formed patch that does not fit the object. Upstream does not tell why.
ApiStatus unprocessable() {
  return {422, "Invalid", "the server rejected our request due to an error in our request"};
}

ApiResult<json::object> apply_json_patch(const json::value& document, const json::value& patch) {
  const json::array* operations = patch.if_array();
  if (!operations) {
    return std::unexpected(bad_request(
        "error decoding patch: json: cannot unmarshal object into Go value of type []interface {}"));
  }
  if (operations->size() > schema::kMaxJsonPatchOperations) {
    return std::unexpected(
        request_entity_too_large(fmt::format("The allowed maximum operations in a JSON patch is {}, got {}",
                                             schema::kMaxJsonPatchOperations, operations->size())));
  }
  Result<json::value> patched = schema::apply_json_patch(document, patch);
  if (!patched) return std::unexpected(unprocessable());
  return as_object(std::move(patched));
}

ApiResult<json::object> merge_by_media_type(const Patching& patching, const json::object& present) {
  const Result<json::value> patch = schema::parse_json(patching.call.body);
  if (!patch)
    return std::unexpected(bad_request(fmt::format("error decoding patch: {}", patch.error().message)));
  const json::value document(present);
  if (patching.type == kMergePatch) return as_object(schema::apply_merge_patch(document, *patch));
  if (patching.type == kJsonPatch) return apply_json_patch(document, *patch);
  return as_object(schema::apply_strategic_merge_patch(document, *patch, patching.schema()));
}

ApiStatus apply_conflict(const std::vector<schema::Conflict>& conflicts) {
  ApiStatus status(409, "Conflict", schema::conflict_message(conflicts));
  for (const json::value& cause : schema::conflict_causes(conflicts)) {
    const json::object& object = cause.as_object();
    status.causes.push_back({std::string(text_at(object, {"reason"})),
                             std::string(text_at(object, {"message"})),
                             std::string(text_at(object, {"field"}))});
  }
  return status;
}

// As the user wrote it: what normalizing would add is not his.
ApiResult<json::value> parse_applied(const Patching& patching) {
  const Call& call = patching.call;
  Result<json::value> value = schema::parse_yaml(call.body);
  if (!value)
    return std::unexpected(bad_request(fmt::format("error decoding YAML: {}", value.error().message)));
  if (!value->is_object()) return std::unexpected(bad_request("error decoding YAML: no object"));
  const json::object& object = value->get_object();
  const std::string_view version = text_at(object, {"apiVersion"});
  if (version != call.representation().api_version() || text_at(object, {"kind"}) != call.type().kind) {
    return std::unexpected(bad_request(
        fmt::format("the kind in the data ({}, {}) does not match the expected kind ({}, {})", version,
                    text_at(object, {"kind"}), call.representation().api_version(), call.type().kind)));
  }
  if (!array_at(object, {"metadata", "managedFields"}).empty()) {
    return std::unexpected(bad_request("metadata.managedFields must be nil"));
  }
  return std::move(*value);
}

ApiResult<json::object> server_side_apply(Patching& patching, const json::object* present) {
  const Call& call = patching.call;
  json::value config = TRY(parse_applied(patching));
  json::object& wanted = config.as_object();
  TRY(settle_name(call.info.name, wanted));
  TRY(settle_namespace(call.type(), call.info.namespace_, wanted));
  const ResourceVersions versions(call.type());
  const schema::FieldManager manager{.name = patching.options.field_manager,
                                     .api_version = call.representation().api_version(),
                                     .subresource = call.info.subresource,
                                     .status_apart = call.type().has_subresource("status"),
                                     .versions = &versions};
  const bool forced = patching.options.force.value_or(false);
  std::vector<schema::Conflict> conflicts;
  const json::value live = present ? json::value(*present) : json::value(nullptr);
  Result<json::value> applied =
      schema::apply(live, config, patching.schema(), manager,
                    forced ? schema::Force::kYes : schema::Force::kNo, patching.now, &conflicts);
  if (!applied && !conflicts.empty()) return std::unexpected(apply_conflict(conflicts));
  // Upstream has no better code for a configuration that does not fit the schema.
  if (!applied) return std::unexpected(ApiStatus(500, "", applied.error().message));
  return std::move(applied->as_object());
}

ApiResult<json::object> patched(Patching& patching, const json::object* stored) {
  const Call& call = patching.call;
  const Representation& storage = call.type().storage_representation();
  std::optional<json::object> present;
  if (stored) {
    present = *stored;
    convert(*present, storage, call.representation());
  }
  json::value value;
  if (patching.type == kApplyPatch) {
    value = TRY(server_side_apply(patching, present ? &*present : nullptr));
  } else {
    if (!present) return std::unexpected(not_found(call.type().id, call.info.name));
    const json::value merged(TRY(merge_by_media_type(patching, *present)));
    value = TRY(check_fields(patching, merged));
  }
  schema::apply_defaults(value, patching.schema());
  convert(value.as_object(), call.representation(), storage);
  return std::move(value.as_object());
}

ApiResult<> check_options(const Call& call, std::string_view type, const WriteOptions& options) {
  std::vector<std::string> accepted = {std::string(kJsonPatch), std::string(kMergePatch)};
  if (!call.type().custom) accepted.emplace_back(kStrategicPatch);
  accepted.emplace_back(kApplyPatch);
  if (std::ranges::find(accepted, type) == accepted.end())
    return std::unexpected(unsupported_media_type(accepted));
  if (type == kApplyPatch && !call.query.has("fieldManager")) {
    return std::unexpected(
        invalid("meta.k8s.io", "PatchOptions", "",
                {{"FieldValueRequired", "Required value: is required for apply patch", "fieldManager"}}));
  }
  if (type != kApplyPatch && options.force) {
    return std::unexpected(
        invalid("meta.k8s.io", "PatchOptions", "",
                {{"FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force"}}));
  }
  return {};
}

}  // namespace

Task<ApiResult<Answer>> patch_object(Registry& registry, Call& call) {
  const WriteOptions options = CO_TRY(parse_write_options(call.query, call.user_agent(), "PatchOptions"));
  Patching patching{call, options, registry.clock().wall_now(), media_type_of(call.headers), {}};
  CO_TRY(check_options(call, patching.type, options));
  WriteRequest request = make_write(call, options);
  request.applied = patching.type == kApplyPatch;
  const ApiResult<Written> written = co_await registry.update(
      request, [&patching](const json::object* present) { return patched(patching, present); });
  absorb(call, request);
  for (std::string& warning : patching.warnings) call.warnings.push_back(std::move(warning));
  if (!written) co_return std::unexpected(written.error());
  co_return answer_object(call, *written->object, written->created ? 201 : 200);
}

}  // namespace cloudless::apiserver
