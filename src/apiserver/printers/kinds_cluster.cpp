// Columns of the cluster itself: namespaces, nodes, certificates, and what configures the API server.
#include <algorithm>

#include "apiserver/printers/columns.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

json::array namespace_row(const json::object& object, WallTime now) {
  return {name_of(object), text_cell(text_at(object, {"status", "phase"}), ""), age_cell(object, now)};
}

std::string node_status(const json::object& node) {
  std::string status = "Unknown";
  for (const json::value& value : array_at(node, {"status", "conditions"})) {
    const json::object* condition = value.if_object();
    if (!condition || text_at(*condition, {"type"}) != "Ready") continue;
    status = text_at(*condition, {"status"}) == "True" ? "Ready" : "NotReady";
  }
  if (truth_at(node, {"spec", "unschedulable"})) status += ",SchedulingDisabled";
  return status;
}

std::string node_roles(const json::object& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  if (const json::object* labels = object_at(node, {"metadata", "labels"})) {
    for (const auto& [label, value] : *labels) {
      const std::string_view name = label;
      if (name.starts_with(kPrefix) && name.size() > kPrefix.size())
        roles.emplace_back(name.substr(kPrefix.size()));
      if (name == "kubernetes.io/role" && value.is_string()) roles.emplace_back(value.get_string());
    }
  }
  std::ranges::sort(roles);
  return roles.empty() ? "<none>" : join(roles, ",");
}

json::value node_address(const json::object& node, std::string_view type) {
  for (const json::value& value : array_at(node, {"status", "addresses"})) {
    const json::object* address = value.if_object();
    if (address && text_at(*address, {"type"}) == type) return text_cell(text_at(*address, {"address"}));
  }
  return "<none>";
}

json::array node_row(const json::object& node, WallTime now) {
  return {name_of(node),
          json::string(node_status(node)),
          json::string(node_roles(node)),
          age_cell(node, now),
          text_cell(text_at(node, {"status", "nodeInfo", "kubeletVersion"}), ""),
          node_address(node, "InternalIP"),
          node_address(node, "ExternalIP"),
          text_cell(text_at(node, {"status", "nodeInfo", "osImage"}), "<unknown>"),
          text_cell(text_at(node, {"status", "nodeInfo", "kernelVersion"}), "<unknown>"),
          text_cell(text_at(node, {"status", "nodeInfo", "containerRuntimeVersion"}), "<unknown>")};
}

std::string signing_condition(const json::object& request) {
  std::string text;
  bool approved = false;
  bool denied = false;
  bool failed = false;
  for (const json::value& value : array_at(request, {"status", "conditions"})) {
    if (!value.is_object()) continue;
    const std::string_view type = text_at(value.get_object(), {"type"});
    approved = approved || type == "Approved";
    denied = denied || type == "Denied";
    failed = failed || type == "Failed";
  }
  text = denied ? "Denied" : approved ? "Approved" : "Pending";
  if (failed) text += ",Failed";
  if (!text_at(request, {"status", "certificate"}).empty()) text += ",Issued";
  return text;
}

std::string requested_duration(const json::object& request) {
  const json::value* seconds = find(request, {"spec", "expirationSeconds"});
  if (!seconds || !seconds->is_number()) return "<none>";
  const WallTime zero{};
  return human_age(format_rfc3339(zero),
                   zero + std::chrono::seconds(number_at(request, {"spec", "expirationSeconds"})));
}

json::array signing_request_row(const json::object& object, WallTime now) {
  return {name_of(object),
          age_cell(object, now),
          text_cell(text_at(object, {"spec", "signerName"})),
          text_cell(text_at(object, {"spec", "username"}), ""),
          json::string(requested_duration(object)),
          json::string(signing_condition(object))};
}

json::array api_service_row(const json::object& object, WallTime now) {
  std::string service = "Local";
  if (const json::object* reference = object_at(object, {"spec", "service"})) {
    service = fmt::format("{}/{}", text_at(*reference, {"namespace"}), text_at(*reference, {"name"}));
  }
  std::string available = "Unknown";
  for (const json::value& value : array_at(object, {"status", "conditions"})) {
    const json::object* condition = value.if_object();
    if (!condition || text_at(*condition, {"type"}) != "Available") continue;
    available = text_at(*condition, {"status"});
    if (available != "True") available += fmt::format(" ({})", text_at(*condition, {"reason"}));
  }
  return {name_of(object), json::string(service), json::string(available), age_cell(object, now)};
}

json::array runtime_class_row(const json::object& object, WallTime now) {
  return {name_of(object), text_cell(text_at(object, {"handler"}), ""), age_cell(object, now)};
}

json::array webhooks_row(const json::object& object, WallTime now) {
  return {name_of(object), array_at(object, {"webhooks"}).size(), age_cell(object, now)};
}

json::array admission_policy_row(const json::object& object, WallTime now) {
  const json::object* kind = object_at(object, {"spec", "paramKind"});
  const std::string parameters =
      kind ? fmt::format("{}/{}", text_at(*kind, {"apiVersion"}), text_at(*kind, {"kind"})) : "<unset>";
  return {name_of(object), array_at(object, {"spec", "validations"}).size(), json::string(parameters),
          age_cell(object, now)};
}

json::array admission_binding_row(const json::object& object, WallTime now) {
  const json::object* reference = object_at(object, {"spec", "paramRef"});
  return {name_of(object), text_cell(text_at(object, {"spec", "policyName"}), ""),
          text_cell(reference ? text_at(*reference, {"name"}) : "", "<unset>"), age_cell(object, now)};
}

json::array flow_schema_row(const json::object& object, WallTime now) {
  std::string missing = "?";
  for (const json::value& value : array_at(object, {"status", "conditions"})) {
    const json::object* condition = value.if_object();
    if (condition && text_at(*condition, {"type"}) == "Dangling") missing = text_at(*condition, {"status"});
  }
  return {name_of(object),
          text_cell(text_at(object, {"spec", "priorityLevelConfiguration", "name"}), ""),
          number_at(object, {"spec", "matchingPrecedence"}),
          text_cell(text_at(object, {"spec", "distinguisherMethod", "type"})),
          age_cell(object, now),
          json::string(missing)};
}

json::array priority_level_row(const json::object& object, WallTime now) {
  const auto number = [&](Path path) {
    const json::value* value = find(object, path);
    return json::string(value && value->is_number() ? json::serialize(*value) : "<none>");
  };
  return {name_of(object),
          text_cell(text_at(object, {"spec", "type"}), ""),
          number({"spec", "limited", "nominalConcurrencyShares"}),
          number({"spec", "limited", "limitResponse", "queuing", "queues"}),
          number({"spec", "limited", "limitResponse", "queuing", "handSize"}),
          number({"spec", "limited", "limitResponse", "queuing", "queueLengthLimit"}),
          age_cell(object, now)};
}

json::array component_status_row(const json::object& object, WallTime) {
  std::string_view status = "Unknown";
  std::string_view message;
  std::string_view error;
  for (const json::value& value : array_at(object, {"conditions"})) {
    const json::object* condition = value.if_object();
    if (!condition || text_at(*condition, {"type"}) != "Healthy") continue;
    status = text_at(*condition, {"status"}) == "True" ? "Healthy" : "Unhealthy";
    message = text_at(*condition, {"message"});
    error = text_at(*condition, {"error"});
    break;
  }
  return {name_of(object), status, message, error};
}

constexpr BuiltinPrinter kPrinters[] = {
    {"", "componentstatuses", "Name,Status,Message,Error", component_status_row},
    {"", "namespaces", "Name,Status,Age", namespace_row},
    {"", "nodes",
     "Name,Status,Roles,Age,Version,Internal-IP*,External-IP*,OS-Image*,Kernel-Version*,Container-Runtime*",
     node_row},
    {"certificates.k8s.io", "certificatesigningrequests",
     "Name,Age,SignerName,Requestor,RequestedDuration,Condition", signing_request_row},
    {"apiregistration.k8s.io", "apiservices", "Name,Service,Available,Age", api_service_row},
    {"node.k8s.io", "runtimeclasses", "Name,Handler,Age", runtime_class_row},
    {"admissionregistration.k8s.io", "mutatingwebhookconfigurations", "Name,Webhooks,Age", webhooks_row},
    {"admissionregistration.k8s.io", "validatingwebhookconfigurations", "Name,Webhooks,Age", webhooks_row},
    {"admissionregistration.k8s.io", "validatingadmissionpolicies", "Name,Validations,ParamKind,Age",
     admission_policy_row},
    {"admissionregistration.k8s.io", "validatingadmissionpolicybindings", "Name,PolicyName,ParamRef,Age",
     admission_binding_row},
    {"flowcontrol.apiserver.k8s.io", "flowschemas",
     "Name,PriorityLevel,MatchingPrecedence,DistinguisherMethod,Age,MissingPL", flow_schema_row},
    {"flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations",
     "Name,Type,NominalConcurrencyShares,Queues,HandSize,QueueLengthLimit,Age", priority_level_row},
};

}  // namespace

std::span<const BuiltinPrinter> cluster_printers() { return kPrinters; }

}  // namespace cloudless::apiserver
