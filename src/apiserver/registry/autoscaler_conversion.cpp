#include "apiserver/registry/autoscaler_conversion.hpp"

#include <algorithm>
#include <span>

#include "apiserver/json_fields.hpp"
#include "schema/json.hpp"

namespace cloudless::apiserver {

namespace {

constexpr const char* kMetrics = "autoscaling.alpha.kubernetes.io/metrics";
constexpr const char* kCurrentMetrics = "autoscaling.alpha.kubernetes.io/current-metrics";
constexpr const char* kBehavior = "autoscaling.alpha.kubernetes.io/behavior";
constexpr const char* kConditions = "autoscaling.alpha.kubernetes.io/conditions";
// Members of the v1 object that the server does not store.
constexpr const char* kAnnotations[] = {kMetrics, kCurrentMetrics, kBehavior, kConditions};

// Where a member of a metric's source lies in each version: `v2` may be "metric.name" or "target.value".
struct Member {
  std::string_view v1;
  std::string_view v2_parent;  // empty: beside the others
  std::string_view v2;
};
struct Source {
  std::string_view name;  // "resource"
  std::span<const Member> spec;
  std::span<const Member> status;
};

constexpr Member kResourceSpec[] = {{"name", "", "name"},
                                    {"container", "", "container"},
                                    {"targetAverageUtilization", "target", "averageUtilization"},
                                    {"targetAverageValue", "target", "averageValue"}};
constexpr Member kResourceStatus[] = {{"name", "", "name"},
                                      {"container", "", "container"},
                                      {"currentAverageUtilization", "current", "averageUtilization"},
                                      {"currentAverageValue", "current", "averageValue"}};
constexpr Member kPodsSpec[] = {{"metricName", "metric", "name"},
                                {"selector", "metric", "selector"},
                                {"targetAverageValue", "target", "averageValue"}};
constexpr Member kPodsStatus[] = {{"metricName", "metric", "name"},
                                  {"selector", "metric", "selector"},
                                  {"currentAverageValue", "current", "averageValue"}};
constexpr Member kObjectSpec[] = {{"target", "", "describedObject"},
                                  {"metricName", "metric", "name"},
                                  {"selector", "metric", "selector"},
                                  {"targetValue", "target", "value"},
                                  {"averageValue", "target", "averageValue"}};
constexpr Member kObjectStatus[] = {{"target", "", "describedObject"},
                                    {"metricName", "metric", "name"},
                                    {"selector", "metric", "selector"},
                                    {"currentValue", "current", "value"},
                                    {"averageValue", "current", "averageValue"}};
constexpr Member kExternalSpec[] = {{"metricName", "metric", "name"},
                                    {"metricSelector", "metric", "selector"},
                                    {"targetValue", "target", "value"},
                                    {"targetAverageValue", "target", "averageValue"}};
constexpr Member kExternalStatus[] = {{"metricName", "metric", "name"},
                                      {"metricSelector", "metric", "selector"},
                                      {"currentValue", "current", "value"},
                                      {"currentAverageValue", "current", "averageValue"}};
constexpr Source kSources[] = {{"resource", kResourceSpec, kResourceStatus},
                               {"containerResource", kResourceSpec, kResourceStatus},
                               {"pods", kPodsSpec, kPodsStatus},
                               {"object", kObjectSpec, kObjectStatus},
                               {"external", kExternalSpec, kExternalStatus}};

enum class Part { kSpec, kStatus };

std::span<const Member> members_of(const Source& source, Part part) {
  return part == Part::kSpec ? source.spec : source.status;
}

// The target's type is said in v2 alone.
void set_target_type(json::object& v2) {
  json::object* target = v2.contains("target") ? v2.at("target").if_object() : nullptr;
  if (!target) return;
  if (target->contains("averageUtilization")) {
    (*target)["type"] = "Utilization";
  } else {
    (*target)["type"] = target->contains("averageValue") ? "AverageValue" : "Value";
  }
}

json::object metric_to_v1(const json::object& metric, Part part) {
  json::object out{{"type", text_at(metric, {"type"})}};
  for (const Source& source : kSources) {
    const json::object* v2 = object_at(metric, {source.name});
    if (!v2) continue;
    json::object& v1 = out[source.name].emplace_object();
    for (const Member& member : members_of(source, part)) {
      const json::value* value =
          member.v2_parent.empty() ? find(*v2, {member.v2}) : find(*v2, {member.v2_parent, member.v2});
      if (value) v1[member.v1] = *value;
    }
  }
  return out;
}

json::object metric_to_v2(const json::object& metric, Part part) {
  json::object out{{"type", text_at(metric, {"type"})}};
  for (const Source& source : kSources) {
    const json::object* v1 = object_at(metric, {source.name});
    if (!v1) continue;
    json::object& v2 = out[source.name].emplace_object();
    for (const Member& member : members_of(source, part)) {
      const json::value* value = find(*v1, {member.v1});
      if (!value) continue;
      json::object& parent = member.v2_parent.empty() ? v2 : make_object(v2, {member.v2_parent});
      parent[member.v2] = *value;
    }
    if (part == Part::kSpec) set_target_type(v2);
  }
  return out;
}

bool is_cpu_utilization(const json::object& metric, std::string_view member) {
  return text_at(metric, {"type"}) == "Resource" && text_at(metric, {"resource", "name"}) == "cpu" &&
         find(metric, {"resource", member, "averageUtilization"});
}

void annotate(json::object& object, const char* name, const json::value& value) {
  make_object(object, {"metadata", "annotations"})[name] = schema::serialize_json(value);
}

// The value of an annotation, which goes; null where there is none that can be read.
json::value take_annotation(json::object& object, const char* name) {
  const std::string text(text_at(object, {"metadata", "annotations", name}));
  erase_at(object, {"metadata", "annotations", name});
  if (text.empty()) return nullptr;
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value(nullptr) : value;
}

// The first cpu metric becomes a number, the others an annotation.
void list_to_v1(json::object& object, std::string_view parent, std::string_view list, std::string_view scalar,
                const char* annotation, Part part) {
  json::object& owner = make_object(object, {parent});
  const std::string_view member = part == Part::kSpec ? "target" : "current";
  json::array others;
  for (const json::value& value : array_at(owner, {list})) {
    if (!value.is_object()) continue;
    const json::object& metric = value.get_object();
    if (!owner.contains(scalar) && is_cpu_utilization(metric, member)) {
      owner[scalar] = *find(metric, {"resource", member, "averageUtilization"});
    } else {
      others.push_back(metric_to_v1(metric, part));
    }
  }
  owner.erase(list);
  if (!others.empty()) annotate(object, annotation, others);
}

void list_to_v2(json::object& object, std::string_view parent, std::string_view list, std::string_view scalar,
                const char* annotation, Part part) {
  const std::string_view member = part == Part::kSpec ? "target" : "current";
  const json::value others = take_annotation(object, annotation);
  json::object& owner = make_object(object, {parent});
  json::array metrics;
  if (others.is_array()) {
    for (const json::value& value : others.get_array()) {
      if (value.is_object()) metrics.push_back(metric_to_v2(value.get_object(), part));
    }
  }
  if (const json::value* utilization = owner.if_contains(scalar); utilization && utilization->is_number()) {
    json::object value{{"averageUtilization", *utilization}};
    if (part == Part::kSpec) value["type"] = "Utilization";
    json::object cpu{{"type", "Resource"}, {"resource", {{"name", "cpu"}, {member, std::move(value)}}}};
    metrics.insert(metrics.begin(), std::move(cpu));
  }
  owner.erase(scalar);
  if (!metrics.empty()) owner[list] = std::move(metrics);
}

void member_to_v1(json::object& object, std::string_view parent, std::string_view name,
                  const char* annotation) {
  json::object& owner = make_object(object, {parent});
  if (const json::value* value = owner.if_contains(name)) {
    const json::value kept = *value;
    owner.erase(name);
    annotate(object, annotation, kept);
  }
}

void member_to_v2(json::object& object, std::string_view parent, std::string_view name,
                  const char* annotation) {
  json::value value = take_annotation(object, annotation);
  if (!value.is_null()) make_object(object, {parent})[name] = std::move(value);
}

}  // namespace

void autoscaler_to_v1(json::object& object) {
  // What a client has written there means nothing to v2.
  for (const char* name : kAnnotations) erase_at(object, {"metadata", "annotations", name});
  list_to_v1(object, "spec", "metrics", "targetCPUUtilizationPercentage", kMetrics, Part::kSpec);
  list_to_v1(object, "status", "currentMetrics", "currentCPUUtilizationPercentage", kCurrentMetrics,
             Part::kStatus);
  member_to_v1(object, "spec", "behavior", kBehavior);
  member_to_v1(object, "status", "conditions", kConditions);
}

void autoscaler_to_v2(json::object& object) {
  list_to_v2(object, "spec", "metrics", "targetCPUUtilizationPercentage", kMetrics, Part::kSpec);
  list_to_v2(object, "status", "currentMetrics", "currentCPUUtilizationPercentage", kCurrentMetrics,
             Part::kStatus);
  member_to_v2(object, "spec", "behavior", kBehavior);
  member_to_v2(object, "status", "conditions", kConditions);
  if (const json::object* left = object_at(object, {"metadata", "annotations"}); left && left->empty())
    erase_at(object, {"metadata", "annotations"});
}

}  // namespace cloudless::apiserver
