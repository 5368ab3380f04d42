// Binding: how a scheduler assigns a pod to a node (kubernetes/pkg/registry/core/pod/storage.BindingREST).
#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/subresources/subresources.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

void set_scheduled(json::object& pod, WallTime now) {
  json::value& conditions = make_object(pod, {"status"})["conditions"];
  if (!conditions.is_array()) conditions.emplace_array();
  json::array kept;
  for (json::value& condition : conditions.get_array()) {
    if (!condition.is_object() || text_at(condition.get_object(), {"type"}) != "PodScheduled") {
      kept.push_back(std::move(condition));
    }
  }
  kept.push_back({{"type", "PodScheduled"},
                  {"status", "True"},
                  {"lastProbeTime", nullptr},
                  {"lastTransitionTime", format_rfc3339(now)}});
  conditions = std::move(kept);
}

// POST namespaces/x/bindings names the pod in its body; pods/x/binding has to agree with it.
ApiResult<> turn_to_pod(Call& call, const json::object& binding) {
  const std::string_view name = name_of(binding);
  if (!call.info.subresource.empty()) {
    if (name.empty() || name == call.info.name) return {};
    return std::unexpected(bad_request("name in URL does not match name in Binding object"));
  }
  if (name.empty()) return std::unexpected(bad_request("name parameter required"));
  const ResourceTypePtr pods = call.catalog->find({"", "pods"});
  call.endpoint = {pods, &pods->storage_representation()};
  call.info.name = name;
  call.info.subresource = "binding";
  return {};
}

ApiResult<json::object> bound(const Call& call, const json::object& binding, WallTime now,
                              const json::object* present) {
  if (!present) return std::unexpected(not_found(call.type().id, call.info.name));
  const std::string_view uid = text_at(binding, {"metadata", "uid"});
  if (!uid.empty() && uid != text_at(*present, {"metadata", "uid"})) {
    return std::unexpected(
        conflict(call.type().id, call.info.name,
                 fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid,
                             text_at(*present, {"metadata", "uid"}))));
  }
  const auto refuse = [&](std::string why) -> ApiResult<json::object> {
    return std::unexpected(conflict({"", "pods/binding"}, call.info.name, why));
  };
  if (!text_at(*present, {"metadata", "deletionTimestamp"}).empty()) {
    return refuse(fmt::format("pod {} is being deleted, cannot be assigned to a host", call.info.name));
  }
  if (const std::string_view node = text_at(*present, {"spec", "nodeName"}); !node.empty()) {
    return refuse(fmt::format("pod {} is already assigned to node \"{}\"", call.info.name, node));
  }
  if (!array_at(*present, {"spec", "schedulingGates"}).empty()) {
    return refuse(fmt::format("pod {} has non-empty .spec.schedulingGates", call.info.name));
  }
  json::object pod = *present;
  make_object(pod, {"spec"})["nodeName"] = text_at(binding, {"target", "name"});
  for (const char* member : {"annotations", "labels"}) {
    if (const json::object* values = object_at(binding, {"metadata", member})) {
      json::object& target = make_object(pod, {"metadata", member});
      for (const auto& [key, value] : *values) target[key] = value;
    }
  }
  set_scheduled(pod, now);
  return pod;
}

}  // namespace

Task<ApiResult<Answer>> create_binding(Registry& registry, Call& call) {
  const WriteOptions options = CO_TRY(parse_write_options(call.query, call.user_agent(), "CreateOptions"));
  const schema::Schema* schema = api::find_kind("", "v1", "Binding");
  const json::object binding = CO_TRY(decode_object(call, *schema, options.field_validation));
  CO_TRY(turn_to_pod(call, binding));
  const std::string_view kind = text_at(binding, {"target", "kind"});
  std::vector<StatusCause> causes;
  if (!kind.empty() && kind != "Node") {
    causes.push_back({"FieldValueNotSupported",
                      fmt::format("Unsupported value: \"{}\": supported values: \"Node\", \"<empty>\"", kind),
                      "target.kind"});
  }
  if (text_at(binding, {"target", "name"}).empty()) {
    causes.push_back({"FieldValueRequired", "Required value", "target.name"});
  }
  if (!causes.empty()) co_return std::unexpected(invalid("", "Binding", call.info.name, std::move(causes)));
  WriteRequest request = make_write(call, options);
  const WallTime now = registry.clock().wall_now();
  const ApiResult<Written> written = co_await registry.update(
      request, [&](const json::object* present) { return bound(call, binding, now, present); });
  absorb(call, request);
  if (!written) co_return std::unexpected(written.error());
  co_return answer_success(201);
}

}  // namespace cloudless::apiserver
