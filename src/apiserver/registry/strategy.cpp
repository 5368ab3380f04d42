#include "apiserver/registry/strategy.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "apiserver/json_fields.hpp"
#include "schema/quantity.hpp"

namespace cloudless::apiserver {

namespace {

void prepare_namespace(json::object& object, const UserInfo&) {
  object["status"] = {{"phase", "Active"}};
  json::value& finalizers = make_object(object, {"spec"})["finalizers"];
  if (!finalizers.is_array()) finalizers.emplace_array();
  const auto is_kubernetes = [](const json::value& value) { return value == "kubernetes"; };
  if (std::ranges::none_of(finalizers.get_array(), is_kubernetes))
    finalizers.get_array().emplace_back("kubernetes");
}

// Namespace finalizers change through /finalize alone.
void update_namespace(json::object& object, const json::object& old_object) {
  if (const json::object* spec = object_at(old_object, {"spec"})) {
    object["spec"] = *spec;
  } else {
    object.erase("spec");
  }
}

void prepare_pod(json::object& object, const UserInfo&) {
  object["status"] = {{"phase", "Pending"}, {"qosClass", json::string_view(pod_qos_class(object))}};
}

void prepare_claim(json::object& object, const UserInfo&) { object["status"] = {{"phase", "Pending"}}; }

void prepare_service(json::object& object, const UserInfo&) {
  object["status"] = {{"loadBalancer", json::object()}};
}

void prepare_signing_request(json::object& object, const UserInfo& user) {
  json::object& spec = make_object(object, {"spec"});
  spec["username"] = user.name;
  for (const char* name : {"uid", "groups", "extra"}) spec.erase(name);
  if (!user.uid.empty()) spec["uid"] = user.uid;
  if (!user.groups.empty()) spec["groups"] = json::array(user.groups.begin(), user.groups.end());
  if (!user.extra.empty()) {
    json::object& extra = make_object(spec, {"extra"});
    for (const auto& [key, values] : user.extra) extra[key] = json::array(values.begin(), values.end());
  }
  object["status"] = json::object();
}

void update_signing_request(json::object& object, const json::object& old_object) {
  copy_member(old_object, object, "spec");
}

// A job that names no selector gets one that matches its own pods only (jobStrategy.generateSelector).
void prepare_job(json::object& object, const UserInfo&) {
  object["status"] = json::object();
  if (truth_at(object, {"spec", "manualSelector"})) return;
  const std::string uid(text_at(object, {"metadata", "uid"}));
  const std::string name(name_of(object));
  json::object& labels = make_object(object, {"spec", "template", "metadata", "labels"});
  for (const char* key : {"controller-uid", "batch.kubernetes.io/controller-uid"}) labels[key] = uid;
  for (const char* key : {"job-name", "batch.kubernetes.io/job-name"}) labels[key] = name;
  make_object(object, {"spec", "selector", "matchLabels"})["batch.kubernetes.io/controller-uid"] = uid;
}

// An update that leaves out an allocated address keeps it (service strategy's patchAllocatedValues).
void update_service(json::object& object, const json::object& old_object) {
  const std::string_view type = text_at(object, {"spec", "type"});
  const std::string_view old_type = text_at(old_object, {"spec", "type"});
  if (type == "ExternalName" || old_type == "ExternalName") return;
  json::object& spec = make_object(object, {"spec"});
  const json::object* old_spec = object_at(old_object, {"spec"});
  if (!old_spec) return;
  for (const char* name : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) {
    const json::value* value = spec.if_contains(name);
    const bool empty =
        !value || value->is_null() || *value == "" || (value->is_array() && value->get_array().empty());
    if (empty) copy_member(*old_spec, spec, name);
  }
}

// Definitions wait for their instances to be deleted, and name what the API needs whole.
void prepare_definition(json::object& object, const UserInfo&) {
  json::value& finalizers = metadata(object)["finalizers"];
  if (!finalizers.is_array()) finalizers.emplace_array();
  const json::string_view cleanup = "customresourcecleanup.apiextensions.k8s.io";
  const auto is_cleanup = [&](const json::value& value) { return value == cleanup; };
  if (std::ranges::none_of(finalizers.get_array(), is_cleanup)) finalizers.get_array().emplace_back(cleanup);
}

constexpr Strategy kPlain{};

const std::vector<Strategy>& strategies() {
  static const std::vector<Strategy> kStrategies = {
      {.group = "",
       .resource = "pods",
       .generation = true,
       .graceful = true,
       .prepare_for_create = prepare_pod},
      {.group = "",
       .resource = "namespaces",
       .prepare_for_create = prepare_namespace,
       .prepare_for_update = update_namespace},
      {.group = "",
       .resource = "services",
       .create_on_update = true,
       .prepare_for_create = prepare_service,
       .prepare_for_update = update_service},
      {.group = "", .resource = "endpoints", .create_on_update = true},
      {.group = "", .resource = "events", .create_on_update = true},
      {.group = "", .resource = "limitranges", .create_on_update = true},
      {.group = "", .resource = "persistentvolumes", .prepare_for_create = prepare_claim},
      {.group = "", .resource = "persistentvolumeclaims", .prepare_for_create = prepare_claim},
      {.group = "",
       .resource = "replicationcontrollers",
       .generation = true,
       .default_propagation = Propagation::kOrphan},
      {.group = "", .resource = "podtemplates", .generation = true},
      {.group = "apps", .resource = "deployments", .generation = true},
      {.group = "apps", .resource = "replicasets", .generation = true},
      {.group = "apps", .resource = "statefulsets", .generation = true},
      {.group = "apps", .resource = "daemonsets", .generation = true},
      {.group = "batch",
       .resource = "jobs",
       .generation = true,
       .default_propagation = Propagation::kOrphan,
       .prepare_for_create = prepare_job},
      {.group = "batch", .resource = "cronjobs", .generation = true},
      {.group = "networking.k8s.io", .resource = "ingresses", .generation = true},
      {.group = "networking.k8s.io", .resource = "ingressclasses", .generation = true},
      {.group = "networking.k8s.io", .resource = "networkpolicies", .generation = true},
      {.group = "policy", .resource = "poddisruptionbudgets", .generation = true},
      {.group = "discovery.k8s.io", .resource = "endpointslices", .generation = true},
      {.group = "coordination.k8s.io", .resource = "leases", .create_on_update = true, .needs_version = true},
      {.group = "scheduling.k8s.io", .resource = "priorityclasses", .generation = true},
      {.group = "rbac.authorization.k8s.io", .resource = "roles", .create_on_update = true},
      {.group = "rbac.authorization.k8s.io", .resource = "clusterroles", .create_on_update = true},
      {.group = "rbac.authorization.k8s.io", .resource = "rolebindings", .create_on_update = true},
      {.group = "rbac.authorization.k8s.io", .resource = "clusterrolebindings", .create_on_update = true},
      {.group = "flowcontrol.apiserver.k8s.io", .resource = "flowschemas", .generation = true},
      {.group = "flowcontrol.apiserver.k8s.io",
       .resource = "prioritylevelconfigurations",
       .generation = true},
      {.group = "apiextensions.k8s.io",
       .resource = "customresourcedefinitions",
       .generation = true,
       .needs_version = true,
       .prepare_for_create = prepare_definition},
      {.group = "admissionregistration.k8s.io",
       .resource = "mutatingwebhookconfigurations",
       .generation = true},
      {.group = "admissionregistration.k8s.io",
       .resource = "validatingwebhookconfigurations",
       .generation = true},
      {.group = "admissionregistration.k8s.io",
       .resource = "validatingadmissionpolicies",
       .generation = true},
      {.group = "admissionregistration.k8s.io",
       .resource = "validatingadmissionpolicybindings",
       .generation = true},
      {.group = "certificates.k8s.io",
       .resource = "certificatesigningrequests",
       .prepare_for_create = prepare_signing_request,
       .prepare_for_update = update_signing_request},
  };
  return kStrategies;
}

// Limits and requests of cpu and memory above zero, summed over containers.
struct QosSums {
  std::map<std::string, schema::Quantity, std::less<>> requests;
  std::map<std::string, schema::Quantity, std::less<>> limits;
  bool all_limited = true;
};

void add_amounts(const json::object& container, Path path,
                 std::map<std::string, schema::Quantity, std::less<>>& sums, size_t& found) {
  const json::object* amounts = object_at(container, path);
  if (!amounts) return;
  for (const auto& [name, value] : *amounts) {
    if (!value.is_string() || (name != "cpu" && name != "memory")) continue;
    const schema::Quantity amount(std::string(value.get_string()));
    if (schema::compare(amount, schema::Quantity("0")) <= 0) continue;
    ++found;
    schema::Quantity& sum = sums[std::string(name)];
    sum = sum.empty() ? amount : schema::add(sum, amount);
  }
}

}  // namespace

const Strategy& builtin_strategy(std::string_view group, std::string_view resource) {
  for (const Strategy& strategy : strategies()) {
    if (strategy.group == group && strategy.resource == resource) return strategy;
  }
  return kPlain;
}

const Strategy& custom_strategy() {
  static constexpr Strategy kCustom{.generation = true, .needs_version = true};
  return kCustom;
}

std::string_view pod_qos_class(const json::object& pod) {
  QosSums sums;
  for (const char* list : {"containers", "initContainers"}) {
    for (const json::value& container : array_at(pod, {"spec", list})) {
      if (!container.is_object()) continue;
      size_t requests = 0;
      size_t limits = 0;
      add_amounts(container.get_object(), {"resources", "requests"}, sums.requests, requests);
      add_amounts(container.get_object(), {"resources", "limits"}, sums.limits, limits);
      if (limits < 2) sums.all_limited = false;
    }
  }
  if (sums.requests.empty() && sums.limits.empty()) return "BestEffort";
  if (!sums.all_limited) return "Burstable";
  for (const auto& [name, request] : sums.requests) {
    const auto limit = sums.limits.find(name);
    if (limit == sums.limits.end() || schema::compare(limit->second, request) != 0) return "Burstable";
  }
  return sums.requests.size() == sums.limits.size() ? "Guaranteed" : "Burstable";
}

}  // namespace cloudless::apiserver
