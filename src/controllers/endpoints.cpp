#include "controllers/endpoints.hpp"

namespace cloudless::controllers {

using api::core::v1::EndpointAddress;
using api::core::v1::Endpoints;
using api::core::v1::EndpointSubset;

namespace {

constexpr const char* kManagedBy = "endpoints.kubernetes.io/managed-by";
constexpr const char* kOverCapacity = "endpoints.kubernetes.io/over-capacity";

EndpointAddress to_address(const PodEndpoint& from) {
  EndpointAddress address;
  address.ip = from.address;
  address.hostname = from.hostname;
  address.nodeName = from.pod->spec.nodeName;
  auto& target = address.targetRef.emplace();
  target.kind = "Pod";
  target.namespace_ = from.pod->metadata.namespace_;
  target.name = from.pod->metadata.name;
  target.uid = from.pod->metadata.uid;
  return address;
}

EndpointSubset to_subset(const std::vector<EndpointPortSpec>& ports, const std::vector<PodEndpoint>& pods,
                         size_t& room) {
  EndpointSubset subset;
  for (const EndpointPortSpec& spec : ports) {
    auto& port = subset.ports.emplace_back();
    port.name = spec.name;
    port.protocol = spec.protocol;
    port.port = spec.port;
    if (!spec.app_protocol.empty()) port.appProtocol = spec.app_protocol;
  }
  for (const PodEndpoint& pod : pods) {
    if (pod.terminating && !pod.ready) continue;
    if (room == 0) break;
    --room;
    (pod.ready ? subset.addresses : subset.notReadyAddresses).push_back(to_address(pod));
  }
  const auto by_ip = [](std::vector<EndpointAddress>& addresses) {
    std::ranges::sort(addresses, {}, &EndpointAddress::ip);
  };
  by_ip(subset.addresses);
  by_ip(subset.notReadyAddresses);
  return subset;
}

std::vector<EndpointSubset> subsets_of(const EndpointGroups& groups, bool& truncated) {
  std::vector<EndpointSubset> subsets;
  size_t room = kMaxEndpoints;
  size_t wanted = 0;
  for (const auto& [ports, pods] : groups) {
    wanted += pods.size();
    EndpointSubset subset = to_subset(ports, pods, room);
    if (!subset.addresses.empty() || !subset.notReadyAddresses.empty()) subsets.push_back(std::move(subset));
  }
  truncated = wanted > kMaxEndpoints;
  return subsets;
}

}  // namespace

Plan plan_endpoints(const EndpointsView& view, const std::string& key, const PlanContext&) {
  Plan plan;
  const auto service = view.services.get(key);
  const auto existing = view.endpoints.get(key);
  if (!service) {
    const bool ours = existing && existing->metadata.labels.contains(kManagedBy);
    if (ours && !existing->metadata.deletionTimestamp) plan.actions.push_back(client::remove(*existing));
    return plan;
  }
  if (service->metadata.deletionTimestamp || !has_computed_endpoints(*service)) return plan;
  const std::string family = service->spec.ipFamilies.empty() ? "IPv4" : service->spec.ipFamilies.front();
  Endpoints wanted = existing ? *existing : Endpoints();
  bool truncated = false;
  wanted.subsets = subsets_of(endpoints_of(*service, view.pods, family), truncated);
  wanted.metadata.name = service->metadata.name;
  wanted.metadata.namespace_ = service->metadata.namespace_;
  wanted.metadata.labels = service->metadata.labels;
  wanted.metadata.labels.erase(kHeadlessLabel);
  if (is_headless(*service)) wanted.metadata.labels[kHeadlessLabel] = "";
  wanted.metadata.labels[kManagedBy] = "endpoint-controller";
  if (truncated) {
    wanted.metadata.annotations[kOverCapacity] = "truncated";
  } else {
    wanted.metadata.annotations.erase(kOverCapacity);
  }
  if (!existing) {
    plan.actions.push_back(client::create(wanted));
  } else if (wanted != *existing) {
    plan.actions.push_back(client::update(wanted));
  }
  return plan;
}

ControllerPtr make_endpoints_controller(const Deps& deps) {
  auto& services = deps.informers.of<Service>();
  auto& pods = deps.informers.of<Pod>();
  auto& endpoints = deps.informers.of<Endpoints>();
  const EndpointsView view{services.cache(), pods.cache(), endpoints.cache()};
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "endpoints-controller", .component = "endpoint-controller"},
      [view](const std::string& key, const PlanContext& context) {
        return plan_endpoints(view, key, context);
      });
  controller->reconciler().watch(services);
  controller->reconciler().watch(endpoints);
  controller->reconciler().watch(pods, [view](const PodPtr& before, const PodPtr& now) {
    return services_of_change(view.services, before, now);
  });
  return controller;
}

}  // namespace cloudless::controllers
