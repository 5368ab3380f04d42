// The definitions of the resources, as MetalLB's: names, fields, defaults, printer columns.
#include <boost/json.hpp>

#include "lb/resources.hpp"

namespace cloudless::lb {

namespace json = boost::json;

namespace {

json::value parse(std::string_view text) { return json::parse(text); }

json::value list_of(json::value item) { return {{"type", "array"}, {"items", std::move(item)}}; }

json::value strings() { return list_of({{"type", "string"}}); }

json::value label_selectors() {
  return list_of(parse(R"({"type":"object","x-kubernetes-map-type":"atomic","properties":{
      "matchLabels":{"type":"object","additionalProperties":{"type":"string"}},
      "matchExpressions":{"type":"array","x-kubernetes-list-type":"atomic","items":{"type":"object",
        "required":["key","operator"],"properties":{
          "key":{"type":"string"},"operator":{"type":"string"},
          "values":{"type":"array","x-kubernetes-list-type":"atomic","items":{"type":"string"}}}}}}})"));
}

json::value column(std::string_view name, std::string_view type, std::string_view path, int priority = 0) {
  json::object column{{"name", name}, {"type", type}, {"jsonPath", path}};
  if (priority != 0) column["priority"] = priority;
  return column;
}

struct Definition {
  std::string plural;
  std::string singular;
  std::string kind;
  json::object spec;
  json::array required;
  json::object status;
  json::array columns;
};

std::pair<std::string, std::string> render(Definition definition) {
  const std::string name = definition.plural + ".metallb.io";
  json::object spec{{"type", "object"}, {"properties", std::move(definition.spec)}};
  json::object schema{
      {"type", "object"},
      {"properties",
       json::object{{"apiVersion", json::object{{"type", "string"}}},
                    {"kind", json::object{{"type", "string"}}},
                    {"metadata", json::object{{"type", "object"}}},
                    {"spec", json::object()},
                    {"status", json::object{{"type", "object"}, {"properties", definition.status}}}}}};
  // An advertisement without a spec announces every pool.
  if (!definition.required.empty()) {
    schema["required"] = json::array{"spec"};
    spec["required"] = std::move(definition.required);
  }
  schema["properties"].as_object()["spec"] = std::move(spec);
  const json::object version{{"name", "v1beta1"},
                             {"served", true},
                             {"storage", true},
                             {"schema", json::object{{"openAPIV3Schema", schema}}},
                             {"subresources", json::object{{"status", json::object()}}},
                             {"additionalPrinterColumns", std::move(definition.columns)}};
  const json::object object{
      {"apiVersion", "apiextensions.k8s.io/v1"},
      {"kind", "CustomResourceDefinition"},
      {"metadata", json::object{{"name", name}}},
      {"spec", json::object{{"group", "metallb.io"},
                            {"scope", "Namespaced"},
                            {"names", json::object{{"plural", definition.plural},
                                                   {"singular", definition.singular},
                                                   {"kind", definition.kind},
                                                   {"listKind", definition.kind + "List"}}},
                            {"versions", json::array{version}}}}};
  return {name, json::serialize(object)};
}

Definition address_pools() {
  Definition pools{"ipaddresspools", "ipaddresspool", "IPAddressPool", {}, {"addresses"}, {}, {}};
  const json::value integer = parse(R"({"type":"integer","format":"int64"})");
  pools.spec = {{"addresses", strings()},
                {"autoAssign", parse(R"({"type":"boolean","default":true})")},
                {"avoidBuggyIPs", parse(R"({"type":"boolean","default":false})")},
                {"serviceAllocation",
                 json::object{{"type", "object"},
                              {"properties", json::object{{"priority", parse(R"({"type":"integer"})")},
                                                          {"namespaces", strings()},
                                                          {"namespaceSelectors", label_selectors()},
                                                          {"serviceSelectors", label_selectors()}}}}}};
  pools.status = {{"assignedIPv4", integer},
                  {"assignedIPv6", integer},
                  {"availableIPv4", integer},
                  {"availableIPv6", integer}};
  pools.columns = {column("Auto Assign", "boolean", ".spec.autoAssign"),
                   column("Avoid Buggy IPs", "boolean", ".spec.avoidBuggyIPs"),
                   column("Addresses", "string", ".spec.addresses")};
  return pools;
}

Definition l2_advertisements() {
  Definition advertisements{"l2advertisements", "l2advertisement", "L2Advertisement", {}, {}, {}, {}};
  advertisements.spec = {{"ipAddressPools", strings()},
                         {"ipAddressPoolSelectors", label_selectors()},
                         {"nodeSelectors", label_selectors()},
                         {"interfaces", strings()}};
  advertisements.columns = {column("IPAddressPools", "string", ".spec.ipAddressPools"),
                            column("IPAddressPool Selectors", "string", ".spec.ipAddressPoolSelectors"),
                            column("Interfaces", "string", ".spec.interfaces"),
                            column("Node Selectors", "string", ".spec.nodeSelectors", 10)};
  return advertisements;
}

Definition service_l2_statuses() {
  Definition statuses{"servicel2statuses", "servicel2status", "ServiceL2Status", {}, {}, {}, {}};
  statuses.status = {
      {"node", parse(R"({"type":"string"})")},
      {"serviceName", parse(R"({"type":"string"})")},
      {"serviceNamespace", parse(R"({"type":"string"})")},
      {"interfaces", list_of(parse(R"({"type":"object","properties":{"name":{"type":"string"}}})"))}};
  statuses.columns = {column("Allocated Node", "string", ".status.node"),
                      column("Service Name", "string", ".status.serviceName"),
                      column("Service Namespace", "string", ".status.serviceNamespace")};
  return statuses;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> custom_resource_definitions() {
  return {render(address_pools()), render(l2_advertisements()), render(service_l2_statuses())};
}

}  // namespace cloudless::lb
