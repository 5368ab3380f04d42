#include "apiserver/registry/conversion.hpp"

#include <utility>

#include "apiserver/json_fields.hpp"
#include "apiserver/registry/autoscaler_conversion.hpp"
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
  } else if (to.version == "v2") {
    autoscaler_to_v2(object);
  } else {
    autoscaler_to_v1(object);
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
