#include "apiserver/registry/stored_form.hpp"

#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/registry/conversion.hpp"
#include "schema/defaulting.hpp"
#include "schema/json.hpp"
#include "schema/protobuf.hpp"

namespace cloudless::apiserver {

namespace {

constexpr std::string_view kProtobufPrefix("k8s\0", 4);

// Versions that upstream has stored, with the fields and tags of the one that took their place.
struct Renamed {
  std::string_view version;
  std::string_view kind;  // empty: all kinds of that version
  std::string_view now;
};
constexpr Renamed kRenamed[] = {
    {"autoscaling/v2beta2", "HorizontalPodAutoscaler", "autoscaling/v2"},
    {"batch/v1beta1", "CronJob", "batch/v1"},
    {"coordination.k8s.io/v1beta1", "Lease", "coordination.k8s.io/v1"},
    {"discovery.k8s.io/v1beta1", "EndpointSlice", "discovery.k8s.io/v1"},
    {"events.k8s.io/v1beta1", "Event", "events.k8s.io/v1"},
    {"flowcontrol.apiserver.k8s.io/v1beta3", "", "flowcontrol.apiserver.k8s.io/v1"},
    {"networking.k8s.io/v1beta1", "IngressClass", "networking.k8s.io/v1"},
    {"networking.k8s.io/v1beta1", "IPAddress", "networking.k8s.io/v1"},
    {"networking.k8s.io/v1beta1", "ServiceCIDR", "networking.k8s.io/v1"},
    {"node.k8s.io/v1beta1", "RuntimeClass", "node.k8s.io/v1"},
    {"policy/v1beta1", "PodDisruptionBudget", "policy/v1"},
    {"rbac.authorization.k8s.io/v1beta1", "", "rbac.authorization.k8s.io/v1"},
    {"scheduling.k8s.io/v1beta1", "PriorityClass", "scheduling.k8s.io/v1"},
    {"storage.k8s.io/v1beta1", "", "storage.k8s.io/v1"},
};

std::string_view renamed(std::string_view version, std::string_view kind) {
  for (const Renamed& row : kRenamed) {
    if (row.version == version && (row.kind.empty() || row.kind == kind)) return row.now;
  }
  return version;
}

// Kinds of two versions with fields of their own, where the other one may have been stored.
struct Converted {
  std::string_view kind;
  Representation from;
  Representation to;
};
const Converted* find_converted(std::string_view version, std::string_view kind) {
  static const Converted kConverted[] = {
      {"HorizontalPodAutoscaler",
       {.group = "autoscaling", .version = "v1", .subresources = {}},
       {.group = "autoscaling", .version = "v2", .subresources = {}}},
      {"Event",
       {.group = "events.k8s.io", .version = "v1", .subresources = {}},
       {.group = "", .version = "v1", .subresources = {}}},
  };
  for (const Converted& row : kConverted) {
    if (row.kind == kind && row.from.api_version() == version) return &row;
  }
  return nullptr;
}

}  // namespace

bool is_stored_protobuf(std::string_view stored) { return stored.starts_with(kProtobufPrefix); }

Result<std::string> json_of_stored_protobuf(std::string_view stored) {
  const Result<schema::TypeMeta> type = schema::peek_protobuf(stored);
  if (!type) return fail(Code::kDataLoss, "a stored object is no protobuf message: {}", type.error().message);
  const std::string_view version = renamed(type->api_version, type->kind);
  const schema::Schema* schema = api::find_kind(version, type->kind);
  if (!schema)
    return fail(Code::kDataLoss, "a stored object is of a kind that is not known: {}, Kind={}",
                type->api_version, type->kind);
  Result<json::value> object = schema::decode_protobuf(stored, *schema);
  if (!object)
    return fail(Code::kDataLoss, "a stored {} cannot be decoded: {}", type->kind, object.error().message);
  object->as_object()["apiVersion"] = version;
  schema::apply_defaults(*object, *schema);
  const auto current = in_storage_version(object->as_object());
  return schema::serialize_json(current ? json::value(*current) : *object);
}

std::optional<json::object> in_storage_version(const json::object& object) {
  const std::string_view version = text_at(object, {"apiVersion"});
  const std::string_view kind = text_at(object, {"kind"});
  const std::string_view now = renamed(version, kind);
  const Converted* conversion = find_converted(now, kind);
  if (now == version && !conversion) return std::nullopt;
  json::object out = object;
  out["apiVersion"] = now;
  if (conversion) convert(out, conversion->from, conversion->to);
  return out;
}

}  // namespace cloudless::apiserver
