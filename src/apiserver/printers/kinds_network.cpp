// Columns of Services, their endpoints, ingresses and network policies.
#include <algorithm>

#include "apiserver/printers/columns.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

/// Endpoints that a row names before it says how many more there are.
constexpr size_t kShownEndpoints = 3;

std::string load_balancer_addresses(const json::object& object) {
  std::vector<std::string> addresses;
  for (const json::value& value : array_at(object, {"status", "loadBalancer", "ingress"})) {
    if (!value.is_object()) continue;
    const std::string_view ip = text_at(value.get_object(), {"ip"});
    addresses.emplace_back(ip.empty() ? text_at(value.get_object(), {"hostname"}) : ip);
  }
  return join(addresses, ",");
}

std::string external_ips(const json::object& service) {
  std::vector<std::string> addresses;
  for (const json::value& value : array_at(service, {"spec", "externalIPs"})) {
    if (value.is_string()) addresses.emplace_back(value.get_string());
  }
  const std::string_view type = text_at(service, {"spec", "type"});
  if (type == "ExternalName") return std::string(text_at(service, {"spec", "externalName"}));
  if (type == "LoadBalancer") {
    const std::string balanced = load_balancer_addresses(service);
    if (!balanced.empty()) addresses.insert(addresses.begin(), balanced);
    if (addresses.empty()) return "<pending>";
  }
  return addresses.empty() ? "<none>" : join(addresses, ",");
}

std::string service_ports(const json::object& service) {
  std::vector<std::string> ports;
  for (const json::value& value : array_at(service, {"spec", "ports"})) {
    if (!value.is_object()) continue;
    const json::object& port = value.get_object();
    const int64_t node_port = number_at(port, {"nodePort"});
    std::string text = std::to_string(number_at(port, {"port"}));
    if (node_port > 0) text += fmt::format(":{}", node_port);
    ports.push_back(fmt::format("{}/{}", text, text_at(port, {"protocol"})));
  }
  return ports.empty() ? "<none>" : join(ports, ",");
}

json::array service_row(const json::object& service, WallTime now) {
  return {name_of(service),
          text_cell(text_at(service, {"spec", "type"})),
          text_cell(text_at(service, {"spec", "clusterIP"})),
          json::string(external_ips(service)),
          json::string(service_ports(service)),
          age_cell(service, now),
          json::string(format_labels(object_at(service, {"spec", "selector"})))};
}

std::string shortened(const std::vector<std::string>& texts) {
  if (texts.empty()) return "<none>";
  if (texts.size() <= kShownEndpoints) return join(texts, ",");
  return join(std::vector(texts.begin(), texts.begin() + kShownEndpoints), ",") +
         fmt::format(" + {} more...", texts.size() - kShownEndpoints);
}

json::array endpoints_row(const json::object& endpoints, WallTime now) {
  std::vector<std::string> texts;
  for (const json::value& value : array_at(endpoints, {"subsets"})) {
    if (!value.is_object()) continue;
    for (const json::value& address : array_at(value.get_object(), {"addresses"})) {
      const std::string ip(address.is_object() ? text_at(address.get_object(), {"ip"}) : "");
      const json::array& ports = array_at(value.get_object(), {"ports"});
      if (ports.empty()) texts.push_back(ip);
      for (const json::value& port : ports) {
        const int64_t number = port.is_object() ? number_at(port.get_object(), {"port"}) : 0;
        texts.push_back(ip.contains(':') ? fmt::format("[{}]:{}", ip, number)
                                         : fmt::format("{}:{}", ip, number));
      }
    }
  }
  return {name_of(endpoints), json::string(shortened(texts)), age_cell(endpoints, now)};
}

json::array slice_row(const json::object& slice, WallTime now) {
  std::vector<std::string> ports;
  for (const json::value& value : array_at(slice, {"ports"})) {
    if (!value.is_object()) continue;
    const json::value* number = value.get_object().if_contains("port");
    ports.push_back(number ? json::serialize(*number) : "*");
  }
  std::vector<std::string> addresses;
  for (const json::value& value : array_at(slice, {"endpoints"})) {
    if (!value.is_object()) continue;
    for (const json::value& address : array_at(value.get_object(), {"addresses"})) {
      if (address.is_string()) addresses.emplace_back(address.get_string());
    }
  }
  return {name_of(slice), text_cell(text_at(slice, {"addressType"})),
          json::string(ports.empty() ? "<unset>" : shortened(ports)),
          json::string(addresses.empty() ? "<unset>" : shortened(addresses)), age_cell(slice, now)};
}

json::array ingress_row(const json::object& ingress, WallTime now) {
  std::vector<std::string> hosts;
  for (const json::value& rule : array_at(ingress, {"spec", "rules"})) {
    const std::string_view host = rule.is_object() ? text_at(rule.get_object(), {"host"}) : "";
    if (!host.empty()) hosts.emplace_back(host);
  }
  const bool tls = !array_at(ingress, {"spec", "tls"}).empty();
  return {name_of(ingress),
          text_cell(text_at(ingress, {"spec", "ingressClassName"})),
          json::string(hosts.empty() ? "*" : shortened(hosts)),
          json::string(load_balancer_addresses(ingress)),
          tls ? "80, 443" : "80",
          age_cell(ingress, now)};
}

json::array ingress_class_row(const json::object& object, WallTime now) {
  std::string parameters = "<none>";
  if (const json::object* reference = object_at(object, {"spec", "parameters"})) {
    parameters = to_lower(text_at(*reference, {"kind"}));
    if (const std::string_view group = text_at(*reference, {"apiGroup"}); !group.empty()) {
      parameters += fmt::format(".{}", group);
    }
    parameters += fmt::format("/{}", text_at(*reference, {"name"}));
  }
  return {name_of(object), text_cell(text_at(object, {"spec", "controller"})), json::string(parameters),
          age_cell(object, now)};
}

json::array policy_row(const json::object& object, WallTime now) {
  return {name_of(object), json::string(format_selector(object_at(object, {"spec", "podSelector"}))),
          age_cell(object, now)};
}

json::array address_row(const json::object& object, WallTime) {
  const json::object* reference = object_at(object, {"spec", "parentRef"});
  std::string parent = "<none>";
  if (reference) {
    parent = std::string(text_at(*reference, {"resource"}));
    if (const std::string_view ns = text_at(*reference, {"namespace"}); !ns.empty())
      parent += fmt::format("/{}", ns);
    parent += fmt::format("/{}", text_at(*reference, {"name"}));
  }
  return {name_of(object), json::string(parent)};
}

json::array service_cidr_row(const json::object& object, WallTime now) {
  std::vector<std::string> cidrs;
  for (const json::value& cidr : array_at(object, {"spec", "cidrs"})) {
    if (cidr.is_string()) cidrs.emplace_back(cidr.get_string());
  }
  return {name_of(object), json::string(join(cidrs, ",")), age_cell(object, now)};
}

constexpr BuiltinPrinter kPrinters[] = {
    {"", "services", "Name,Type,Cluster-IP,External-IP,Port(s),Age,Selector*", service_row},
    {"", "endpoints", "Name,Endpoints,Age", endpoints_row},
    {"discovery.k8s.io", "endpointslices", "Name,AddressType,Ports,Endpoints,Age", slice_row},
    {"networking.k8s.io", "ingresses", "Name,Class,Hosts,Address,Ports,Age", ingress_row},
    {"networking.k8s.io", "ingressclasses", "Name,Controller,Parameters,Age", ingress_class_row},
    {"networking.k8s.io", "networkpolicies", "Name,Pod-Selector,Age", policy_row},
    {"networking.k8s.io", "ipaddresses", "Name,ParentRef", address_row},
    {"networking.k8s.io", "servicecidrs", "Name,CIDRs,Age", service_cidr_row},
};

}  // namespace

std::span<const BuiltinPrinter> network_printers() { return kPrinters; }

}  // namespace cloudless::apiserver
