#include "apiserver/request/call.hpp"

#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/registry/conversion.hpp"
#include "base/strings.hpp"
#include "schema/codec.hpp"
#include "schema/defaulting.hpp"
#include "schema/json.hpp"
#include "schema/selector.hpp"

namespace cloudless::apiserver {

namespace {

schema::Format schema_format(Format format) {
  if (format == Format::kYaml) return schema::Format::kYaml;
  return format == Format::kProtobuf ? schema::Format::kProtobuf : schema::Format::kJson;
}

// "apps/v1", "v1"; kinds of meta.k8s.io belong to every version.
std::string version_of(const schema::Schema& schema) {
  return schema.group.empty() ? std::string(schema.version)
                              : fmt::format("{}/{}", schema.group, schema.version);
}

std::string_view field_value(const CachedObject& object, const FieldIndex& fields, std::string_view label) {
  if (label == "metadata.name") return object.name;
  if (label == "metadata.namespace") return object.namespace_;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].label == label) return object.fields[i];
  }
  return "";
}

bool is_selectable(const ResourceType& type, std::string_view label) {
  if (label == "metadata.name" || (label == "metadata.namespace" && type.namespaced)) return true;
  return std::ranges::any_of(type.cache->fields(),
                             [&](const SelectableField& field) { return field.label == label; });
}

bool matches(const CachedObject& object, const schema::LabelSelector& labels,
             const schema::FieldSelector& fields, const FieldIndex& index) {
  const auto label_of = [&](std::string_view key) -> std::optional<std::string_view> {
    for (const auto& [name, value] : object.labels) {
      if (name == key) return value;
    }
    return std::nullopt;
  };
  for (const schema::Requirement& requirement : labels.requirements()) {
    if (!requirement.matches(label_of)) return false;
  }
  return std::ranges::all_of(fields.terms(), [&](const schema::FieldSelector::Term& term) {
    return (field_value(object, index, term.field) == term.value) == term.equals;
  });
}

// The fields of events have other names in events.k8s.io.
std::string storage_label(const Representation& representation, std::string_view label) {
  constexpr std::string_view kRegarding = "regarding.";
  if (representation.group != "events.k8s.io") return std::string(label);
  if (label.starts_with(kRegarding)) return "involvedObject." + std::string(label.substr(kRegarding.size()));
  if (label == "reportingController") return "reportingComponent";
  return std::string(label);
}

ApiResult<> check_kind(const json::object& object, const schema::Schema& schema) {
  if (!schema.is_kind) return {};
  const std::string_view kind = text_at(object, {"kind"});
  const std::string_view version = text_at(object, {"apiVersion"});
  const std::string wanted = version_of(schema);
  if (!version.empty() && version != wanted && schema.group != "meta.k8s.io") {
    return std::unexpected(bad_request(fmt::format(
        "the API version in the data ({}) does not match the expected API version ({})", version, wanted)));
  }
  if (!kind.empty() && kind != schema.name) {
    return std::unexpected(bad_request(
        fmt::format("the kind in the data ({}) does not match the expected kind ({})", kind, schema.name)));
  }
  return {};
}

}  // namespace

const schema::ResourceInfo* Call::described() const {
  return info.subresource.empty() ? representation().info : representation().subresource(info.subresource);
}

Answer answer_kind(const json::object& object, const schema::Schema* schema, int code) {
  return {code, EncodedObject{share(schema::serialize_json(object)), schema}};
}

Answer answer_object(const Call& call, const json::object& object, int code) {
  const Representation& stored = call.type().storage_representation();
  if (&stored == &call.representation()) return answer_kind(object, stored.info->schema, code);
  json::object converted = object;
  convert(converted, stored, call.representation());
  return answer_kind(converted, call.representation().info->schema, code);
}

Answer answer_object(const Call& call, const CachedObjectPtr& object) {
  return {200, EncodedObject{served_json(call.type(), call.representation(), *object),
                             call.representation().info->schema}};
}

Answer answer_deleted(const Call& call, const json::object& object) {
  json::object details{{"name", name_of(object)}};
  if (!call.info.group.empty()) details["group"] = call.info.group;
  details["kind"] = call.info.resource;
  details["uid"] = text_at(object, {"metadata", "uid"});
  const json::object status{{"kind", "Status"},
                            {"apiVersion", "v1"},
                            {"metadata", json::object()},
                            {"status", "Success"},
                            {"details", std::move(details)}};
  return answer_kind(status, api::find_kind("", "v1", "Status"));
}

ApiResult<Scope> make_scope(const Call& call, const ListOptions& options) {
  Scope scope{.namespace_ = call.type().namespaced ? call.info.namespace_ : ""};
  Result<schema::LabelSelector> labels = schema::LabelSelector::parse(options.label_selector);
  if (!labels) return std::unexpected(bad_request(labels.error().message));
  Result<schema::FieldSelector> fields = schema::FieldSelector::parse(options.field_selector);
  if (!fields) return std::unexpected(bad_request(fields.error().message));
  std::vector<schema::FieldSelector::Term> terms = fields->terms();
  for (schema::FieldSelector::Term& term : terms) {
    term.field = storage_label(call.representation(), term.field);
    if (is_selectable(call.type(), term.field)) continue;
    return std::unexpected(bad_request(fmt::format(
        "Unable to find {} that match label selector {}, field selector {}: field label not supported: {}",
        quote(fmt::format("{}, Resource={}", call.representation().api_version(), call.info.resource)),
        quote(options.label_selector), quote(options.field_selector), term.field)));
  }
  const bool addressable = !call.type().namespaced || !scope.namespace_.empty();
  if (addressable) scope.name = call.info.name;
  if (labels->empty() && terms.empty()) return scope;
  scope.predicate = [labels = std::move(*labels), fields = schema::FieldSelector(std::move(terms)),
                     cache = call.type().cache](const CachedObject& object) {
    return matches(object, labels, fields, cache->fields());
  };
  return scope;
}

ApiResult<json::object> decode_object(Call& call, const schema::Schema& schema, FieldValidation validation) {
  const Format format = TRY(body_format(call.headers));
  std::vector<std::string> complaints;
  schema::NormalizeOptions options;
  if (validation != FieldValidation::kIgnore) options.strict_errors = &complaints;
  Result<json::value> value = schema::decode_body(schema_format(format), call.body, schema, options);
  if (!value) return std::unexpected(bad_request(value.error().message));
  if (!value->is_object()) return std::unexpected(bad_request("the object provided is no object"));
  if (!complaints.empty() && validation == FieldValidation::kStrict) {
    return std::unexpected(bad_request(schema::strict_decoding_error(complaints)));
  }
  for (std::string& complaint : complaints) call.warnings.push_back(std::move(complaint));
  TRY(check_kind(value->get_object(), schema));
  schema::apply_defaults(*value, schema);
  return std::move(value->get_object());
}

WriteRequest make_write(const Call& call, const WriteOptions& options) {
  WriteRequest request;
  request.endpoint = call.endpoint;
  request.subresource = call.info.subresource;
  request.namespace_ = call.type().namespaced ? call.info.namespace_ : "";
  request.name = call.info.name;
  request.user = call.user;
  request.dry_run = options.dry_run;
  request.field_manager = options.field_manager;
  return request;
}

void absorb(Call& call, WriteRequest& request) {
  for (std::string& warning : request.warnings) call.warnings.push_back(std::move(warning));
  call.audit_annotations.merge(request.audit_annotations);
}

}  // namespace cloudless::apiserver
