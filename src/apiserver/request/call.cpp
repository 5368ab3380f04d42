#include "apiserver/request/call.hpp"

#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/registry/conversion.hpp"
#include "base/encoding.hpp"
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

// As upstream has it for kinds with selectable fields of their own, and for all others.
std::string unsupported_label(const ResourceType& type, std::string_view label) {
  if (type.custom || !type.cache->fields().empty())
    return fmt::format("field label not supported: {}", label);
  return fmt::format("{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                     quote(label));
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

// "core.ConfigMap": how upstream names its internal types.
std::string internal_name(const schema::Schema& schema) {
  const std::string_view package =
      schema.group.empty() ? "core" : schema.group.substr(0, schema.group.find('.'));
  return fmt::format("{}.{}", package, schema.name);
}

// What upstream's decoder says of data that is of another kind than the request is for.
ApiResult<> check_kind(const schema::TypeMeta& type, const schema::Schema& schema) {
  if (!schema.is_kind) return {};
  const std::string wanted = version_of(schema);
  const std::string& version = type.api_version.empty() ? wanted : type.api_version;
  const std::string kind = type.kind.empty() ? std::string(schema.name) : type.kind;
  if (kind == schema.name && (version == wanted || schema.group == "meta.k8s.io")) return {};
  const std::string_view bare_version = std::string_view(version).substr(version.find('/') + 1);
  const bool registered = schema.custom || api::find_kind(version, kind);
  if (kind == schema.name && registered) {
    return std::unexpected(bad_request(fmt::format(
        "the API version in the data ({}) does not match the expected API version ({})", version, wanted)));
  }
  const std::string why =
      registered
          ? fmt::format("converting ({}.{}) to ({}): unknown conversion", bare_version, kind,
                        internal_name(schema))
          : fmt::format(
                "no kind {} is registered for version {} in scheme \"pkg/api/legacyscheme/scheme.go:30\"",
                quote(kind), quote(version));
  return std::unexpected(bad_request(fmt::format("{} in version {} cannot be handled as a {}: {}", kind,
                                                 quote(bare_version), schema.name, why)));
}

// The start of a body that could not be read, as upstream shows it.
std::string summarize(std::string_view body) {
  constexpr size_t kShown = 30;
  if (body.empty()) return "<empty>";
  const std::string_view shown = body.substr(0, kShown);
  const std::string text = body.front() == '{' ? std::string(shown) : hex_encode(shown);
  return body.size() > kShown ? text + " ..." : text;
}

// Upstream's words around what the decoder complains about (endpoints/handlers/rest.go,
// transformDecodeError).
ApiStatus undecodable(const Call& call, schema::Format format, const schema::Schema& schema,
                      std::string_view why) {
  const Result<schema::TypeMeta> type = schema::peek_type(format, call.body);
  if (!type) {
    const std::string_view prefix =
        format == schema::Format::kJson ? "couldn't get version/kind; json parse error: " : "";
    return bad_request(fmt::format("the object provided is unrecognized (must be of type {}): {}{} ({})",
                                   schema.name, prefix, why, summarize(call.body)));
  }
  if (const ApiResult<> same = check_kind(*type, schema); !same) return same.error();
  const std::string version = type->api_version.empty() ? version_of(schema) : type->api_version;
  return bad_request(fmt::format("{} in version {} cannot be handled as a {}: {}",
                                 type->kind.empty() ? std::string(schema.name) : type->kind,
                                 quote(std::string_view(version).substr(version.find('/') + 1)), schema.name,
                                 why));
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

namespace {

json::object success() {
  return {{"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", json::object()}, {"status", "Success"}};
}

Answer answer_status(const json::object& status, int code) {
  return answer_kind(status, api::find_kind("", "v1", "Status"), code);
}

}  // namespace

Answer answer_success(int code) {
  json::object status = success();
  status["code"] = code;
  return answer_status(status, code);
}

Answer answer_deleted(const Call& call, const json::object& object) {
  json::object details{{"name", name_of(object)}};
  if (!call.info.group.empty()) details["group"] = call.info.group;
  details["kind"] = call.info.resource;
  details["uid"] = text_at(object, {"metadata", "uid"});
  json::object status = success();
  status["details"] = std::move(details);
  return answer_status(status, 200);
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
    return std::unexpected(bad_request(unsupported_label(call.type(), term.field)));
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
  const schema::Format format = schema_format(TRY(body_format(call.headers)));
  std::vector<std::string> complaints;
  schema::NormalizeOptions options;
  if (validation != FieldValidation::kIgnore) options.strict_errors = &complaints;
  Result<json::value> value = schema::decode_body(format, call.body, schema, options);
  if (!value) return std::unexpected(undecodable(call, format, schema, value.error().message));
  if (!value->is_object()) return std::unexpected(bad_request("the object provided is no object"));
  const json::object& object = value->get_object();
  TRY(check_kind({std::string(text_at(object, {"apiVersion"})), std::string(text_at(object, {"kind"}))},
                 schema));
  if (!complaints.empty() && validation == FieldValidation::kStrict) {
    return std::unexpected(undecodable(call, format, schema, schema::strict_decoding_error(complaints)));
  }
  for (std::string& complaint : complaints) call.warnings.push_back(std::move(complaint));
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
