#include "apiserver/registry/conversion.hpp"

#include <utility>

#include "apiserver/json_fields.hpp"
#include "apiserver/registry/stored_json.hpp"
#include "schema/json.hpp"

namespace cloudless::apiserver {

namespace {

constexpr std::pair<std::string_view, std::string_view> kEventNames[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"count", "deprecatedCount"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"reportingComponent", "reportingController"}};

void rename(json::object& object, std::string_view from, std::string_view to) {
  json::value* value = object.if_contains(from);
  if (!value) return;
  json::value moved = std::move(*value);
  object.erase(from);
  object[to] = std::move(moved);
}

void convert_event(json::object& object, bool to_core) {
  for (const auto& [core, events] : kEventNames) {
    if (to_core) {
      rename(object, events, core);
    } else {
      rename(object, core, events);
    }
  }
}

json::object cpu_metric(const json::value& utilization, std::string_view member) {
  json::object value{{"averageUtilization", utilization}};
  if (member == "target") value["type"] = "Utilization";
  return {{"type", "Resource"}, {"resource", {{"name", "cpu"}, {member, std::move(value)}}}};
}

// The one metric that v1 knows: cpu utilization.
void cpu_to_list(json::object& parent, std::string_view scalar, std::string_view list,
                 std::string_view member) {
  if (const json::value* value = parent.if_contains(scalar); value && value->is_number()) {
    parent[list] = json::array{cpu_metric(*value, member)};
  }
  parent.erase(scalar);
}

void cpu_from_list(json::object& parent, std::string_view scalar, std::string_view list,
                   std::string_view member) {
  for (const json::value& metric : array_at(parent, {list})) {
    if (!metric.is_object() || text_at(metric.get_object(), {"resource", "name"}) != "cpu") continue;
    if (const json::value* value = find(metric.get_object(), {"resource", member, "averageUtilization"})) {
      parent[scalar] = *value;
    }
  }
  parent.erase(list);
}

void convert_autoscaler(json::object& object, bool to_v2) {
  json::object& spec = make_object(object, {"spec"});
  json::object& status = make_object(object, {"status"});
  if (to_v2) {
    cpu_to_list(spec, "targetCPUUtilizationPercentage", "metrics", "target");
    cpu_to_list(status, "currentCPUUtilizationPercentage", "currentMetrics", "current");
    return;
  }
  cpu_from_list(spec, "targetCPUUtilizationPercentage", "metrics", "target");
  cpu_from_list(status, "currentCPUUtilizationPercentage", "currentMetrics", "current");
  spec.erase("behavior");
  status.erase("conditions");
}

bool differs_in_fields(const Representation& a, const Representation& b) {
  if (a.group != b.group) return true;
  return a.group == "autoscaling" && a.version != b.version;
}

}  // namespace

void convert(json::object& object, const Representation& from, const Representation& to) {
  if (&from == &to) return;
  object["apiVersion"] = to.api_version();
  if (!differs_in_fields(from, to)) return;
  if (from.group != to.group) {
    convert_event(object, to.group.empty());
  } else {
    convert_autoscaler(object, to.version == "v2");
  }
}

SharedBytes served_json(const ResourceType& type, const Representation& representation,
                        const CachedObject& object) {
  const Representation& stored = type.storage_representation();
  if (&representation == &stored && !type.custom) return object.json;
  if (!differs_in_fields(stored, representation)) {
    // Objects may have been stored under an earlier storage version.
    const std::string expected = "\"apiVersion\":\"" + representation.api_version() + "\"";
    if (std::string_view(*object.json).substr(0, 256).find(expected) != std::string_view::npos)
      return object.json;
    Result<std::string> text = replace_api_version(*object.json, representation.api_version());
    return text ? share(std::move(*text)) : object.json;
  }
  json::object converted = *object.decode();
  convert(converted, stored, representation);
  return share(schema::serialize_json(converted));
}

}  // namespace cloudless::apiserver
