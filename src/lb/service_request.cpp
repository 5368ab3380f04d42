#include <algorithm>

#include "api/core_v1.hpp"
#include "base/strings.hpp"
#include "lb/allocator.hpp"

namespace cloudless::lb {

namespace {

using api::core::v1::Service;

// MetalLB's annotations under both of their prefixes; the newer one counts.
std::string annotation(const Service& service, const std::string& name) {
  for (const char* prefix : {"metallb.io/", "metallb.universe.tf/"}) {
    const auto found = service.metadata.annotations.find(prefix + name);
    if (found != service.metadata.annotations.end()) return found->second;
  }
  return {};
}

std::vector<net::IpAddress> parse_all(const std::vector<std::string>& texts) {
  std::vector<net::IpAddress> addresses;
  for (const std::string& text : texts) {
    if (const auto address = net::IpAddress::parse(text)) addresses.push_back(*address);
  }
  return addresses;
}

FamilyPolicy family_policy_of(const Service& service) {
  const std::string policy = service.spec.ipFamilyPolicy.value_or("SingleStack");
  if (policy == "PreferDualStack") return FamilyPolicy::kPreferDualStack;
  return policy == "RequireDualStack" ? FamilyPolicy::kRequireDualStack : FamilyPolicy::kSingleStack;
}

void read_desired_ips(const Service& service, AddressRequest& request) {
  const std::string listed = annotation(service, "loadBalancerIPs");
  const std::string& single = service.spec.loadBalancerIP;
  if (!listed.empty() && !single.empty()) {
    request.malformed = "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP";
  } else if (!listed.empty()) {
    for (const std::string_view text : split(listed, ',')) {
      const auto address = net::IpAddress::parse(trim(text));
      if (!address) request.malformed = "invalid metallb.io/loadBalancerIPs: " + quote(listed);
      if (address) request.desired_ips.push_back(*address);
    }
  } else if (!single.empty()) {
    const auto address = net::IpAddress::parse(single);
    if (!address) request.malformed = "invalid spec.loadBalancerIP " + quote(single);
    if (address) request.desired_ips.push_back(*address);
  }
}

// With policy Local the node that has the pods must answer for all Services on the address.
std::string backend_key_of(const Service& service) {
  if (service.spec.externalTrafficPolicy != "Local") return {};
  std::vector<std::string> parts;
  for (const auto& [key, value] : service.spec.selector) parts.push_back(key + "=" + value);
  return service.metadata.namespace_ + "/" + join(parts, ",");
}

}  // namespace

std::optional<AddressRequest> request_of(const Service& service, const std::string& wanted_class) {
  if (service.spec.type != "LoadBalancer" || service.metadata.deletionTimestamp) return std::nullopt;
  if (service.spec.loadBalancerClass.value_or("") != wanted_class) return std::nullopt;
  AddressRequest request;
  request.key = service.metadata.namespace_ + "/" + service.metadata.name;
  request.ns = service.metadata.namespace_;
  request.created = service.metadata.creationTimestamp.value_or(WallTime());
  request.labels = service.metadata.labels;
  request.cluster_ips = parse_all(service.spec.clusterIPs);
  if (request.cluster_ips.empty()) request.cluster_ips = parse_all({service.spec.clusterIP});
  if (request.cluster_ips.empty()) return std::nullopt;
  request.family_policy = family_policy_of(service);
  read_desired_ips(service, request);
  request.desired_pool = annotation(service, "address-pool");
  request.sharing_key = annotation(service, "allow-shared-ip");
  request.backend_key = backend_key_of(service);
  for (const auto& port : service.spec.ports)
    request.ports.insert(fmt::format("{}/{}", port.protocol.empty() ? "TCP" : port.protocol, port.port));
  for (const auto& ingress : service.status.loadBalancer.ingress) {
    if (const auto address = net::IpAddress::parse(ingress.ip)) request.current_ips.push_back(*address);
  }
  request.current_pool = annotation(service, "ip-allocated-from-pool");
  return request;
}

}  // namespace cloudless::lb
