// The scale subresource: replicas of any workload under one kind (autoscaling/v1 Scale).
#include "api/registry.hpp"
#include "apiserver/custom/custom_resource.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/subresources/subresources.hpp"
#include "schema/json.hpp"
#include "schema/patch.hpp"
#include "schema/selector.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

ScalePaths paths_of(const ResourceType& type) {
  if (type.custom) return type.custom->scale_paths();
  return {.spec_replicas = {"spec", "replicas"}, .status_replicas = {"status", "replicas"}, .selector = {}};
}

const json::value* find_steps(const json::object& object, const std::vector<std::string>& path) {
  const json::object* current = &object;
  const json::value* value = nullptr;
  for (const std::string& step : path) {
    value = current ? current->if_contains(step) : nullptr;
    if (!value) return nullptr;
    current = value->if_object();
  }
  return value;
}

// A ReplicationController's selector is a map, others' a LabelSelector, a custom resource's a text somewhere.
std::string selector_text(const ResourceType& type, const json::object& object, const ScalePaths& paths) {
  if (type.custom) {
    const json::value* text = find_steps(object, paths.selector);
    return text && text->is_string() ? std::string(text->get_string()) : std::string();
  }
  const json::value* selector = find(object, {"spec", "selector"});
  if (!selector) return "";
  const bool plain = type.id.resource == "replicationcontrollers";
  const Result<schema::LabelSelector> parsed =
      schema::LabelSelector::from_value(plain ? json::value{{"matchLabels", *selector}} : *selector);
  return parsed ? parsed->to_string() : "";
}

json::object make_scale(const ResourceType& type, const json::object& object) {
  const ScalePaths paths = paths_of(type);
  json::object meta;
  for (const char* name : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    copy_member(object.at("metadata").as_object(), meta, name);
  }
  const json::value* wanted = find_steps(object, paths.spec_replicas);
  const json::value* present = find_steps(object, paths.status_replicas);
  json::object spec;
  if (wanted && *wanted != 0) spec["replicas"] = *wanted;
  json::object status{{"replicas", present && present->is_number() ? *present : json::value(0)}};
  if (std::string selector = selector_text(type, object, paths); !selector.empty())
    status["selector"] = selector;
  return {{"kind", "Scale"},
          {"apiVersion", "autoscaling/v1"},
          {"metadata", std::move(meta)},
          {"spec", std::move(spec)},
          {"status", std::move(status)}};
}

ApiResult<json::object> patched_scale(const Call& call, json::object scale) {
  const std::string type = media_type_of(call.headers);
  const Result<json::value> patch = schema::parse_json(call.body);
  if (!patch) return std::unexpected(bad_request(patch.error().message));
  const json::value document(std::move(scale));
  if (type == "application/json-patch+json") {
    Result<json::value> result = schema::apply_json_patch(document, *patch);
    if (!result || !result->is_object())
      return std::unexpected(bad_request("the patch does not fit a Scale"));
    return std::move(result->get_object());
  }
  if (type == "application/merge-patch+json" || type == "application/strategic-merge-patch+json") {
    return schema::apply_merge_patch(document, *patch).as_object();
  }
  return std::unexpected(
      unsupported_media_type({"application/json-patch+json", "application/merge-patch+json",
                              "application/strategic-merge-patch+json"}));
}

ApiResult<json::object> with_replicas(const Call& call, json::object object, const json::object& scale) {
  const int64_t replicas = number_at(scale, {"spec", "replicas"});
  if (replicas < 0) {
    return std::unexpected(invalid(
        "autoscaling", "Scale", name_of(object),
        {{"FieldValueInvalid", fmt::format("Invalid value: {}: must be greater than or equal to 0", replicas),
          "spec.replicas"}}));
  }
  const std::string_view version = text_at(scale, {"metadata", "resourceVersion"});
  if (!version.empty() && version != text_at(object, {"metadata", "resourceVersion"})) {
    return std::unexpected(modified_conflict(call.type().id, name_of(object)));
  }
  json::object* parent = &object;
  const std::vector<std::string> path = paths_of(call.type()).spec_replicas;
  for (size_t i = 0; i + 1 < path.size(); ++i) parent = &make_object(*parent, {path[i]});
  (*parent)[path.back()] = replicas;
  return object;
}

ApiResult<json::object> rescaled(Call& call, const std::optional<json::object>& body,
                                 const json::object* present) {
  if (!present) return std::unexpected(not_found(call.type().id, call.info.name));
  if (body) return with_replicas(call, *present, *body);
  const json::object scale = TRY(patched_scale(call, make_scale(call.type(), *present)));
  return with_replicas(call, *present, scale);
}

}  // namespace

Task<ApiResult<Answer>> serve_scale(Registry& registry, Call& call) {
  const schema::Schema* schema = api::find_kind("autoscaling", "v1", "Scale");
  if (call.info.verb == "get") {
    const CachedObjectPtr object =
        CO_TRY(co_await registry.read(call.type(), call.info.namespace_, call.info.name));
    co_return answer_kind(make_scale(call.type(), *object->decode()), schema);
  }
  const WriteOptions options = CO_TRY(parse_write_options(call.query, call.user_agent(), "UpdateOptions"));
  std::optional<json::object> body;
  if (call.info.verb == "update") body = CO_TRY(decode_object(call, *schema, options.field_validation));
  WriteRequest request = make_write(call, options);
  const ApiResult<Written> written = co_await registry.update(
      request, [&](const json::object* present) { return rescaled(call, body, present); });
  absorb(call, request);
  if (!written) co_return std::unexpected(written.error());
  co_return answer_kind(make_scale(call.type(), *written->object), schema);
}

}  // namespace cloudless::apiserver
