#include "controllers/support/endpoints.hpp"

#include <set>

#include "base/ranges.hpp"
#include "client/selector.hpp"

namespace cloudless::controllers {

namespace {

std::string address_of(const Pod& pod, const std::string& family) {
  const auto is_family = [&family](const std::string& ip) { return ip.contains(':') == (family == "IPv6"); };
  for (const auto& entry : pod.status.podIPs) {
    if (is_family(entry.ip)) return entry.ip;
  }
  return !pod.status.podIP.empty() && is_family(pod.status.podIP) ? pod.status.podIP : std::string();
}

// The number behind a target port in this pod; 0 where it has no port of that name.
int32_t port_number(const Pod& pod, const api::core::v1::ServicePort& port) {
  if (!port.targetPort.is_string) return port.targetPort.number != 0 ? port.targetPort.number : port.port;
  const auto in = [&port](const auto& containers) {
    for (const auto& container : containers) {
      for (const auto& candidate : container.ports) {
        if (candidate.name == port.targetPort.text && candidate.protocol == port.protocol)
          return candidate.containerPort;
      }
    }
    return 0;
  };
  if (const int32_t found = in(pod.spec.containers)) return found;
  // Sidecars: init containers that go on running.
  for (const auto& container : pod.spec.initContainers) {
    if (container.restartPolicy != "Always") continue;
    if (const int32_t found = in(std::vector{container})) return found;
  }
  return 0;
}

std::vector<EndpointPortSpec> ports_of(const Service& service, const Pod& pod) {
  std::vector<EndpointPortSpec> ports;
  for (const auto& port : service.spec.ports) {
    const int32_t number = port_number(pod, port);
    if (number != 0) ports.push_back({port.name, port.protocol, number, port.appProtocol.value_or("")});
  }
  std::ranges::sort(ports);
  return ports;
}

}  // namespace

bool has_computed_endpoints(const Service& service) {
  return !service.spec.selector.empty() && service.spec.type != "ExternalName";
}

bool is_headless(const Service& service) { return service.spec.clusterIP == "None"; }

EndpointGroups endpoints_of(const Service& service, const client::ObjectCache<Pod>& pods,
                            const std::string& family) {
  EndpointGroups groups;
  for (const PodPtr& pod : pods.in_namespace(service.metadata.namespace_)) {
    if (is_finished(*pod) || pod->spec.nodeName.empty()) continue;
    if (!client::matches(service.spec.selector, pod->metadata.labels)) continue;
    PodEndpoint endpoint{.pod = pod, .address = address_of(*pod, family)};
    if (endpoint.address.empty()) continue;
    endpoint.serving = is_ready(*pod);
    endpoint.terminating = pod->metadata.deletionTimestamp.has_value();
    endpoint.ready = service.spec.publishNotReadyAddresses || (endpoint.serving && !endpoint.terminating);
    if (pod->spec.subdomain == service.metadata.name) endpoint.hostname = pod->spec.hostname;
    std::vector<EndpointPortSpec> ports = ports_of(service, *pod);
    if (ports.empty() && !service.spec.ports.empty()) continue;
    groups[std::move(ports)].push_back(std::move(endpoint));
  }
  return groups;
}

std::vector<std::string> services_of_change(const client::ObjectCache<Service>& services,
                                            const PodPtr& before, const PodPtr& now) {
  std::set<std::string> keys;
  for (const PodPtr& pod : {before, now}) {
    if (!pod) continue;
    for (const auto& service : services.in_namespace(pod->metadata.namespace_)) {
      if (has_computed_endpoints(*service) && client::matches(service->spec.selector, pod->metadata.labels)) {
        keys.insert(client::key_of(*service));
      }
    }
  }
  return {keys.begin(), keys.end()};
}

}  // namespace cloudless::controllers
