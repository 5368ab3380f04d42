#include "dns/cluster_service.hpp"

namespace cloudless::dns {

using api::core::v1::Node;
using api::core::v1::Service;
using api::discovery::v1::EndpointSlice;

namespace {

constexpr const char* kNamespace = "kube-system";
constexpr const char* kName = "kube-dns";
constexpr const char* kKey = "kube-system/kube-dns";

Service wanted_service(const ClusterServiceOptions& options) {
  Service service;
  service.metadata.namespace_ = kNamespace;
  service.metadata.name = kName;
  service.metadata.labels = {
      {"k8s-app", "kube-dns"}, {"kubernetes.io/cluster-service", "true"}, {"kubernetes.io/name", "CoreDNS"}};
  service.spec.clusterIP = options.address.to_string();
  service.spec.clusterIPs = {service.spec.clusterIP};
  service.spec.internalTrafficPolicy = "Local";
  for (const auto& [name, protocol] : {std::pair("dns", "UDP"), std::pair("dns-tcp", "TCP")}) {
    api::core::v1::ServicePort port;
    port.name = name;
    port.protocol = protocol;
    port.port = 53;
    port.targetPort = schema::IntOrString(options.node_port);
    service.spec.ports.push_back(port);
  }
  return service;
}

const std::string* internal_ip(const Node& node) {
  for (const auto& address : node.status.addresses) {
    if (address.type == "InternalIP") return &address.address;
  }
  return nullptr;
}

EndpointSlice wanted_slice(const ClusterServiceOptions& options, const client::ObjectCache<Node>& nodes) {
  EndpointSlice slice;
  slice.metadata.namespace_ = kNamespace;
  slice.metadata.name = kName;
  slice.metadata.labels = {{"kubernetes.io/service-name", kName},
                           {"endpointslice.kubernetes.io/managed-by", "dns.cloudless"}};
  slice.addressType = options.address.is_v4() ? "IPv4" : "IPv6";
  for (const auto& [name, protocol] : {std::pair("dns", "UDP"), std::pair("dns-tcp", "TCP")}) {
    api::discovery::v1::EndpointPort port;
    port.name = name;
    port.protocol = protocol;
    port.port = options.node_port;
    slice.ports.push_back(port);
  }
  for (const auto& [key, node] : nodes.all()) {
    const std::string* address = internal_ip(*node);
    if (!address) continue;
    api::discovery::v1::Endpoint endpoint;
    endpoint.addresses = {*address};
    endpoint.nodeName = node->metadata.name;
    // A node answers its own pods whatever the API thinks of it.
    endpoint.conditions.ready = true;
    slice.endpoints.push_back(endpoint);
  }
  return slice;
}

}  // namespace

client::Plan plan_cluster_service(const ClusterServiceOptions& options,
                                  const client::ObjectCache<Node>& nodes,
                                  const client::ObjectCache<Service>& services,
                                  const client::ObjectCache<EndpointSlice>& slices) {
  client::Plan plan;
  if (!services.get(kKey)) plan.actions.push_back(client::create(wanted_service(options)).accepting_done());
  const EndpointSlice wanted = wanted_slice(options, nodes);
  const auto present = slices.get(kKey);
  if (!present) {
    plan.actions.push_back(client::create(wanted).accepting_done());
  } else if (present->endpoints != wanted.endpoints || present->ports != wanted.ports) {
    EndpointSlice changed = *present;
    changed.endpoints = wanted.endpoints;
    changed.ports = wanted.ports;
    plan.actions.push_back(client::update(changed));
  }
  return plan;
}

ClusterService::ClusterService(ClusterServiceOptions options, client::Informers& informers,
                               runtime::Executor& executor, Random& random, Logger log)
    : scope_(executor, log),
      recorder_(informers.client(), scope_, random, "cloudless-dns", "", log),
      performer_(informers.client(), informers, recorder_, "cloudless-dns"),
      reconciler_(
          {.name = "cluster-dns", .workers = 1, .backoff = {}},
          client::asking_nothing([options, &informers](const std::string&, const client::PlanContext&) {
            return plan_cluster_service(options, informers.of<Node>().cache(),
                                        informers.of<Service>().cache(),
                                        informers.of<EndpointSlice>().cache());
          }),
          performer_, executor, random, log) {
  const auto the_one_key = [](const auto&, const auto&) { return std::vector<std::string>{kKey}; };
  const auto own_key = [](const auto& before, const auto& now) {
    const auto& meta = (now ? now : before)->metadata;
    const bool ours = meta.namespace_ == kNamespace && meta.name == kName;
    return ours ? std::vector<std::string>{kKey} : std::vector<std::string>();
  };
  reconciler_.watch(informers.of<Node>(), the_one_key);
  reconciler_.watch(informers.of<Service>(), own_key);
  reconciler_.watch(informers.of<EndpointSlice>(), own_key);
}

void ClusterService::start() {
  reconciler_.enqueue(kKey);
  scope_.spawn(reconciler_.run());
}

runtime::Task<void> ClusterService::stop() {
  scope_.cancel();
  co_await scope_.join();
}

}  // namespace cloudless::dns
