#include "network/service_view.hpp"

#include "api/core_v1.hpp"
#include "api/discovery_v1.hpp"
#include "base/strings.hpp"

namespace cloudless::network {

namespace {

using api::core::v1::Service;
using api::discovery::v1::EndpointSlice;

/// Services so labelled belong to another proxy (KEP-2447).
constexpr const char* kProxyNameLabel = "service.kubernetes.io/service-proxy-name";
constexpr int32_t kDefaultAffinitySeconds = 10800;

void add_address(std::vector<net::IpAddress>& addresses, const std::string& text) {
  if (const auto address = net::IpAddress::parse(text)) addresses.push_back(*address);
}

TrafficPolicy policy_of(const std::string& text) {
  return text == "Local" ? TrafficPolicy::kLocal : TrafficPolicy::kCluster;
}

std::optional<std::chrono::seconds> affinity_of(const api::core::v1::ServiceSpec& spec) {
  if (spec.sessionAffinity != "ClientIP") return std::nullopt;
  int32_t timeout = kDefaultAffinitySeconds;
  if (spec.sessionAffinityConfig && spec.sessionAffinityConfig->clientIP)
    timeout = spec.sessionAffinityConfig->clientIP->timeoutSeconds.value_or(timeout);
  return std::chrono::seconds(timeout);
}

bool served_by_us(const Service& service) {
  return service.spec.type != "ExternalName" && service.spec.clusterIP != "None" &&
         !service.metadata.labels.contains(kProxyNameLabel);
}

void add_endpoint(ServicePortView& port, const api::discovery::v1::Endpoint& endpoint, int32_t number) {
  // KEP-1672: absent ready and serving count as true; only the first address of an endpoint is used.
  if (endpoint.addresses.empty()) return;
  const auto address = net::IpAddress::parse(endpoint.addresses.front());
  if (!address) return;
  const bool ready = endpoint.conditions.ready.value_or(true);
  port.endpoints.push_back({*address, static_cast<uint16_t>(number), endpoint.nodeName.value_or(""), ready,
                            endpoint.conditions.serving.value_or(ready),
                            endpoint.conditions.terminating.value_or(false)});
}

void add_slice(ServicePortView& port, const EndpointSlice& slice) {
  for (const auto& slice_port : slice.ports) {
    const bool same = slice_port.name.value_or("") == port.name &&
                      to_lower(slice_port.protocol.value_or("TCP")) == port.protocol;
    const int32_t number = slice_port.port.value_or(0);
    if (!same || number <= 0 || number > 65535) continue;
    for (const auto& endpoint : slice.endpoints) add_endpoint(port, endpoint, number);
  }
}

}  // namespace

ServiceView view_service(const Service& service,
                         const std::vector<std::shared_ptr<const EndpointSlice>>& slices) {
  ServiceView view;
  view.key = service.metadata.namespace_ + "/" + service.metadata.name;
  if (!served_by_us(service)) return view;
  const auto& spec = service.spec;
  for (const std::string& address : spec.clusterIPs) add_address(view.cluster_ips, address);
  if (spec.clusterIPs.empty()) add_address(view.cluster_ips, spec.clusterIP);
  for (const std::string& address : spec.externalIPs) add_address(view.external_ips, address);
  for (const auto& ingress : service.status.loadBalancer.ingress) {
    if (ingress.ipMode.value_or("VIP") == "VIP") add_address(view.load_balancer_ips, ingress.ip);
  }
  for (const std::string& range : spec.loadBalancerSourceRanges) {
    if (const auto prefix = net::Prefix::parse(trim(range))) view.source_ranges.push_back(*prefix);
  }
  view.external_policy = policy_of(spec.externalTrafficPolicy);
  view.internal_policy = policy_of(spec.internalTrafficPolicy.value_or("Cluster"));
  view.client_affinity = affinity_of(spec);
  view.health_check_node_port = static_cast<uint16_t>(spec.healthCheckNodePort);
  for (const auto& spec_port : spec.ports) {
    ServicePortView port{.name = spec_port.name,
                         .protocol = to_lower(spec_port.protocol.empty() ? "TCP" : spec_port.protocol),
                         .port = static_cast<uint16_t>(spec_port.port),
                         .node_port = static_cast<uint16_t>(spec_port.nodePort),
                         .endpoints = {}};
    for (const auto& slice : slices) add_slice(port, *slice);
    view.ports.push_back(std::move(port));
  }
  return view;
}

}  // namespace cloudless::network
