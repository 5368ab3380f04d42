// The @computed rows of /api: defaults that depend on more than their own field (pkg/apis/*/v1/defaults.go).
#include <algorithm>
#include <boost/json.hpp>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "schema/defaulting.hpp"
#include "schema/json.hpp"
#include "schema/object_util.hpp"
#include "schema/quantity.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

const Schema& type_of_field(const Schema& schema, std::string_view name) { return *schema.find(name)->type; }

void set_if_absent(json::object& object, const Schema& schema, std::string_view name, json::value value) {
  if (!get(object, name)) set_field(object, schema, name, std::move(value));
}

bool is_empty_member(const json::object& object, std::string_view name) {
  const auto* value = get(object, name);
  return !value || is_zero(*value);
}

/// Always for the tag latest or none, IfNotPresent for another tag or a digest.
std::string_view pull_policy_of(std::string_view image) {
  const size_t digest = image.find('@');
  const auto name = image.substr(0, digest);
  const size_t colon = name.rfind(':');
  const size_t slash = name.rfind('/');
  const bool tagged = colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  if (digest != std::string_view::npos) return "IfNotPresent";
  return tagged && name.substr(colon + 1) != "latest" ? "IfNotPresent" : "Always";
}

void container(json::object& object, const Schema& schema) {
  if (is_empty_member(object, "imagePullPolicy")) {
    set_field(object, schema, "imagePullPolicy", json::value(pull_policy_of(get_text(object, "image"))));
  }
}

void image_volume(json::object& object, const Schema& schema) {
  if (is_empty_member(object, "pullPolicy")) {
    set_field(object, schema, "pullPolicy", json::value(pull_policy_of(get_text(object, "reference"))));
  }
}

/// Amounts finer than a thousandth round up.
void round_to_milli(json::object& list) {
  constexpr NanoUnits kMilli = 1'000'000;
  for (auto& entry : list) {
    if (!entry.value().is_string()) continue;
    auto parsed = parse_quantity(entry.value().get_string());
    if (!parsed || parsed->nanos % kMilli == 0) continue;
    parsed->nanos = (parsed->nanos / kMilli + (parsed->nanos > 0 ? 1 : 0)) * kMilli;
    entry.value() = format_quantity(*parsed);
  }
}

void resource_requirements(json::object& object, const Schema&) {
  for (const auto name : {"limits", "requests"}) {
    if (auto* list = get_object(object, name)) round_to_milli(*list);
  }
}

/// Adds the entries of `from` that `to` lacks; keys stay sorted.
void merge_missing(json::object& to, const json::object& from) {
  for (const auto& entry : from) to.emplace(entry.key(), entry.value());
  json::value sorted(std::move(to));
  sort_keys(sorted);
  to = std::move(sorted.get_object());
}

void default_requests(json::object& resources, const Schema& schema) {
  const auto* limits = get_object(resources, "limits");
  if (!limits) return;
  json::object requests =
      get_object(resources, "requests") ? *get_object(resources, "requests") : json::object();
  merge_missing(requests, *limits);
  set_field(resources, schema, "requests", std::move(requests));
}

void host_ports(json::object& container) {
  auto* ports = get_array(container, "ports");
  if (!ports) return;
  for (json::value& item : *ports) {
    auto* port = item.if_object();
    if (!port || get_int(*port, "hostPort") != 0) continue;
    // Go's order: name, hostPort, containerPort.
    json::object next;
    if (const auto* name = get(*port, "name")) next["name"] = *name;
    next["hostPort"] = get_int(*port, "containerPort");
    for (const auto& entry : *port) next.emplace(entry.key(), entry.value());
    *port = std::move(next);
  }
}

/// What the containers request of one resource together; none when no container does.
std::optional<Quantity> requested_by_containers(const json::object& spec, std::string_view resource) {
  std::optional<Quantity> sum;
  const auto* containers = get_array(spec, "containers");
  if (!containers) return sum;
  for (const json::value& item : *containers) {
    const auto* amount = dig(&item, {"resources", "requests", resource});
    if (amount && amount->is_string())
      sum = add(sum.value_or(Quantity("0")), Quantity(std::string(amount->get_string())));
  }
  return sum;
}

void pod_level_requests(json::object& spec, const Schema& schema) {
  auto* resources = get_object(spec, "resources");
  const auto* limits = resources ? get_object(*resources, "limits") : nullptr;
  if (!limits) return;
  json::object requests =
      get_object(*resources, "requests") ? *get_object(*resources, "requests") : json::object();
  json::object missing;
  for (const auto& entry : *limits) {
    const auto sum = requested_by_containers(spec, entry.key());
    missing[entry.key()] = sum ? json::value(sum->text) : entry.value();
  }
  merge_missing(requests, missing);
  set_field(*resources, type_of_field(schema, "resources"), "requests", std::move(requests));
}

void pod(json::object& object, const Schema& schema) {
  auto* spec = get_object(object, "spec");
  if (!spec) return;
  const Schema& spec_schema = type_of_field(schema, "spec");
  for (const auto list_name : {"containers", "initContainers"}) {
    auto* list = get_array(*spec, list_name);
    if (!list) continue;
    const Schema& container_schema = *type_of_field(spec_schema, list_name).items;
    for (json::value& item : *list) {
      auto* one = item.if_object();
      if (!one) continue;
      if (auto* resources = get_object(*one, "resources")) {
        default_requests(*resources, type_of_field(container_schema, "resources"));
      }
      if (get_bool(*spec, "hostNetwork")) host_ports(*one);
    }
  }
  pod_level_requests(*spec, spec_schema);
}

void volume(json::object& object, const Schema& schema) {
  for (const Field& field : schema.fields) {
    if (field.name != "name" && get(object, field.name)) return;
  }
  set_field(object, schema, "emptyDir", json::object());
}

void namespace_labels(json::object& object, const Schema& schema) {
  auto* metadata = get_object(object, "metadata");
  if (!metadata || get_text(*metadata, "name").empty()) return;
  json::value labels = get(*metadata, "labels") ? *get(*metadata, "labels") : json::value(json::object());
  if (!labels.is_object()) return;
  labels.get_object()["kubernetes.io/metadata.name"] = get_text(*metadata, "name");
  sort_keys(labels);
  set_field(*metadata, type_of_field(schema, "metadata"), "labels", std::move(labels));
}

/// stringData is for writing alone: its texts go into data, and win there.
void secret(json::object& object, const Schema& schema) {
  const auto* texts = get_object(object, "stringData");
  if (texts && !texts->empty()) {
    json::value data =
        get_object(object, "data") ? json::value(*get(object, "data")) : json::value(json::object());
    for (const auto& entry : *texts) {
      if (entry.value().is_string())
        data.get_object()[entry.key()] = base64_encode(std::string_view(entry.value().get_string()));
    }
    sort_keys(data);
    set_field(object, schema, "data", std::move(data));
  }
  if (object.contains("stringData")) object.stable_erase("stringData");
}

void node_status(json::object& object, const Schema& schema) {
  if (const auto* capacity = get(object, "capacity"); capacity && is_empty_member(object, "allocatable")) {
    set_field(object, schema, "allocatable", json::value(*capacity));
  }
}

void limit_range_item(json::object& object, const Schema& schema) {
  if (get_text(object, "type") != "Container") return;
  const auto entries = [&](std::string_view name) {
    return get_object(object, name) ? *get_object(object, name) : json::object();
  };
  json::object limits = entries("default");
  merge_missing(limits, entries("max"));
  json::object requests = entries("defaultRequest");
  merge_missing(requests, limits);
  merge_missing(requests, entries("min"));
  if (!limits.empty()) set_field(object, schema, "default", std::move(limits));
  if (!requests.empty()) set_field(object, schema, "defaultRequest", std::move(requests));
}

/// metadata.labels from the template's, when there are none.
void labels_from_template(json::object& object, const Schema& schema) {
  const auto* labels = dig(object, {"spec", "template", "metadata", "labels"});
  auto* metadata = get_object(object, "metadata");
  if (!labels || is_zero(*labels) || !metadata || !is_empty_member(*metadata, "labels")) return;
  set_field(*metadata, type_of_field(schema, "metadata"), "labels", json::value(*labels));
}

void replication_controller(json::object& object, const Schema& schema) {
  labels_from_template(object, schema);
  const auto* labels = dig(object, {"spec", "template", "metadata", "labels"});
  auto* spec = get_object(object, "spec");
  if (labels && !is_zero(*labels) && spec && is_empty_member(*spec, "selector")) {
    set_field(*spec, type_of_field(schema, "spec"), "selector", json::value(*labels));
  }
}

void job(json::object& object, const Schema& schema) {
  auto* spec = get_object(object, "spec");
  if (!spec) return;
  const Schema& spec_schema = type_of_field(schema, "spec");
  if (!get(*spec, "completions") && !get(*spec, "parallelism"))
    set_field(*spec, spec_schema, "completions", 1);
  set_if_absent(*spec, spec_schema, "backoffLimit", get(*spec, "backoffLimitPerIndex") ? 2147483647 : 6);
  set_if_absent(*spec, spec_schema, "podReplacementPolicy",
                get(*spec, "podFailurePolicy") ? "Failed" : "TerminatingOrFailed");
  labels_from_template(object, schema);
}

void stateful_set(json::object& object, const Schema& schema) {
  auto* spec = get_object(object, "spec");
  auto* strategy = spec ? get_object(*spec, "updateStrategy") : nullptr;
  if (!strategy) return;
  const Schema& strategy_schema = type_of_field(type_of_field(schema, "spec"), "updateStrategy");
  if (get_text(*strategy, "type").empty()) {
    set_field(*strategy, strategy_schema, "type", "RollingUpdate");
    set_if_absent(*strategy, strategy_schema, "rollingUpdate", json::object());
  }
  auto* rolling = get_object(*strategy, "rollingUpdate");
  if (get_text(*strategy, "type") != "RollingUpdate" || !rolling) return;
  const Schema& rolling_schema = type_of_field(strategy_schema, "rollingUpdate");
  set_if_absent(*rolling, rolling_schema, "partition", 0);
  set_if_absent(*rolling, rolling_schema, "maxUnavailable", 1);
}

void scaling_rules(json::object& behavior, const Schema& schema, std::string_view name,
                   std::string_view defaults_text) {
  json::value rules = get(behavior, name) ? *get(behavior, name) : json::value(json::object());
  const Schema& rules_schema = type_of_field(schema, name);
  const auto defaults = parse_json(defaults_text);
  if (!rules.is_object() || !defaults) return;
  for (const auto& entry : defaults->get_object()) {
    set_if_absent(rules.get_object(), rules_schema, entry.key(), entry.value());
  }
  set_field(behavior, schema, name, std::move(rules));
}

void pod_autoscaler(json::object& object, const Schema& schema) {
  auto* spec = get_object(object, "spec");
  const Schema& spec_schema = type_of_field(schema, "spec");
  if (!spec || !spec_schema.find("metrics")) return;  // autoscaling/v1 has neither
  if (is_empty_member(*spec, "metrics")) {
    set_field(*spec, spec_schema, "metrics",
              *parse_json(R"([{"type":"Resource","resource":{"name":"cpu","target":)"
                          R"({"type":"Utilization","averageUtilization":80}}}])"));
  }
  auto* behavior = get_object(*spec, "behavior");
  if (!behavior) return;
  const Schema& behavior_schema = type_of_field(spec_schema, "behavior");
  scaling_rules(
      *behavior, behavior_schema, "scaleUp",
      R"({"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[{"type":"Pods","value":4,)"
      R"("periodSeconds":15},{"type":"Percent","value":100,"periodSeconds":15}]})");
  scaling_rules(*behavior, behavior_schema, "scaleDown",
                R"({"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]})");
}

void target_ports(json::object& spec, const Schema& schema) {
  auto* ports = get_array(spec, "ports");
  if (!ports) return;
  const Schema& port_schema = *type_of_field(schema, "ports").items;
  for (json::value& item : *ports) {
    auto* port = item.if_object();
    if (port && is_empty_member(*port, "targetPort")) {
      set_field(*port, port_schema, "targetPort", get_int(*port, "port"));
    }
  }
}

void service(json::object& object, const Schema& schema) {
  auto* spec = get_object(object, "spec");
  if (!spec) return;
  const Schema& spec_schema = type_of_field(schema, "spec");
  const auto affinity = get_text(*spec, "sessionAffinity");
  if ((affinity.empty() || affinity == "None") && spec->contains("sessionAffinityConfig")) {
    spec->stable_erase("sessionAffinityConfig");
  }
  target_ports(*spec, spec_schema);
  const std::string type(get_text(*spec, "type").empty() ? "ClusterIP" : get_text(*spec, "type"));
  const bool external = type == "NodePort" || type == "LoadBalancer" ||
                        (type == "ClusterIP" && !is_empty_member(*spec, "externalIPs"));
  if (external && is_empty_member(*spec, "externalTrafficPolicy")) {
    set_field(*spec, spec_schema, "externalTrafficPolicy", "Cluster");
  }
  if (type != "LoadBalancer") return;
  auto* status = get_object(object, "status");
  auto* balancer = status ? get_object(*status, "loadBalancer") : nullptr;
  auto* ingress = balancer ? get_array(*balancer, "ingress") : nullptr;
  if (!ingress) return;
  const Schema& item_schema =
      *type_of_field(type_of_field(type_of_field(schema, "status"), "loadBalancer"), "ingress").items;
  for (json::value& item : *ingress) {
    auto* one = item.if_object();
    if (one && !get_text(*one, "ip").empty()) set_if_absent(*one, item_schema, "ipMode", "VIP");
  }
}

void network_policy(json::object& object, const Schema& schema) {
  auto* spec = get_object(object, "spec");
  if (!spec || !is_empty_member(*spec, "policyTypes")) return;
  json::array types{"Ingress"};
  if (!is_empty_member(*spec, "egress")) types.push_back("Egress");
  set_field(*spec, type_of_field(schema, "spec"), "policyTypes", std::move(types));
}

void custom_resource_definition(json::object& object, const Schema& schema) {
  const auto* versions = dig(object, {"spec", "versions"});
  auto* status = get_object(object, "status");
  if (!versions || !versions->is_array() || !status || !is_empty_member(*status, "storedVersions")) return;
  json::array stored;
  for (const json::value& item : versions->get_array()) {
    const auto* version = item.if_object();
    if (version && get_bool(*version, "storage")) stored.emplace_back(get_text(*version, "name"));
  }
  set_field(*status, type_of_field(schema, "status"), "storedVersions", std::move(stored));
}

void custom_resource_definition_spec(json::object& object, const Schema& schema) {
  auto* names = get_object(object, "names");
  if (!names) return;
  const Schema& names_schema = type_of_field(schema, "names");
  const std::string kind(get_text(*names, "kind"));
  if (is_empty_member(*names, "singular") && !kind.empty())
    set_field(*names, names_schema, "singular", json::value(to_lower(kind)));
  if (is_empty_member(*names, "listKind") && !kind.empty())
    set_field(*names, names_schema, "listKind", json::value(kind + "List"));
}

struct Rule {
  std::string_view type;
  void (*apply)(json::object& object, const Schema& schema);
};

constexpr Rule kRules[] = {
    {"Container", container},
    {"CustomResourceDefinition", custom_resource_definition},
    {"CustomResourceDefinitionSpec", custom_resource_definition_spec},
    {"EphemeralContainerCommon", container},
    {"HorizontalPodAutoscaler", pod_autoscaler},
    {"ImageVolumeSource", image_volume},
    {"Job", job},
    {"LimitRangeItem", limit_range_item},
    {"Namespace", namespace_labels},
    {"NetworkPolicy", network_policy},
    {"NodeStatus", node_status},
    {"Pod", pod},
    {"ReplicationController", replication_controller},
    {"ResourceRequirements", resource_requirements},
    {"Secret", secret},
    {"Service", service},
    {"StatefulSet", stateful_set},
    {"Volume", volume},
};

}  // namespace

void apply_computed_defaults(json::object& object, const Schema& schema) {
  const auto* rule = std::lower_bound(std::begin(kRules), std::end(kRules), schema.name,
                                      [](const Rule& a, std::string_view name) { return a.type < name; });
  if (rule != std::end(kRules) && rule->type == schema.name) rule->apply(object, schema);
}

}  // namespace cloudless::schema
