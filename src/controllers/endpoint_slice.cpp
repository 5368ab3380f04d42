#include "controllers/endpoint_slice.hpp"

#include <algorithm>
#include <map>

#include "base/ranges.hpp"

namespace cloudless::controllers {

using api::core::v1::Node;
using api::discovery::v1::Endpoint;
using api::discovery::v1::EndpointPort;
using api::discovery::v1::EndpointSlice;
using SlicePtr = std::shared_ptr<const EndpointSlice>;

namespace {

constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

std::string zone_of(const client::ObjectCache<Node>& nodes, const std::string& name) {
  const auto node = nodes.get(name);
  if (!node) return {};
  const auto zone = node->metadata.labels.find(kZoneLabel);
  return zone == node->metadata.labels.end() ? std::string() : zone->second;
}

Endpoint to_endpoint(const EndpointSliceView& view, const Service& service, const PodEndpoint& from) {
  Endpoint endpoint;
  endpoint.addresses = {from.address};
  endpoint.conditions.ready = from.ready;
  endpoint.conditions.serving = from.serving;
  endpoint.conditions.terminating = from.terminating;
  if (!from.hostname.empty()) endpoint.hostname = from.hostname;
  endpoint.nodeName = from.pod->spec.nodeName;
  const std::string zone = zone_of(view.nodes, from.pod->spec.nodeName);
  if (!zone.empty()) endpoint.zone = zone;
  auto& target = endpoint.targetRef.emplace();
  target.kind = "Pod";
  target.namespace_ = from.pod->metadata.namespace_;
  target.name = from.pod->metadata.name;
  target.uid = from.pod->metadata.uid;
  const std::string distribution = service.spec.trafficDistribution.value_or("");
  const bool same_zone = distribution == "PreferClose" || distribution == "PreferSameZone";
  const bool same_node = distribution == "PreferSameNode";
  if ((same_zone || same_node) && !zone.empty())
    endpoint.hints.get_or_emplace().forZones.push_back({.name = zone});
  if (same_node) endpoint.hints.get_or_emplace().forNodes.push_back({.name = from.pod->spec.nodeName});
  return endpoint;
}

std::vector<EndpointPort> to_ports(const std::vector<EndpointPortSpec>& specs) {
  std::vector<EndpointPort> ports;
  for (const EndpointPortSpec& spec : specs) {
    EndpointPort port;
    port.name = spec.name;
    port.protocol = spec.protocol;
    port.port = spec.port;
    if (!spec.app_protocol.empty()) port.appProtocol = spec.app_protocol;
    ports.push_back(std::move(port));
  }
  return ports;
}

std::map<std::string, std::string> labels_of(const Service& service) {
  auto labels = service.metadata.labels;
  labels.erase(kHeadlessLabel);
  if (is_headless(service)) labels[kHeadlessLabel] = "";
  labels[kServiceNameLabel] = service.metadata.name;
  labels[kManagedByLabel] = kSliceController;
  return labels;
}

/// The slices of one service and one address family.
class Family {
 public:
  Family(const EndpointSliceView& view, const Service& service, std::string family)
      : view_(view), service_(service), family_(std::move(family)) {}

  void run(const std::vector<SlicePtr>& existing, Plan& plan) {
    for (const SlicePtr& slice : existing) {
      if (slice->addressType == family_) spare_.push_back(slice);
    }
    EndpointGroups groups = endpoints_of(service_, view_.pods, family_);
    if (groups.empty()) groups[{}] = {};  // a service without endpoints has one empty slice
    for (const auto& [specs, endpoints] : groups) place(to_ports(specs), endpoints);
    write(plan);
  }

 private:
  struct Draft {
    SlicePtr original;  // null for a new one
    EndpointSlice slice;
  };

  // Shares the endpoints of one port list out: each stays in the slice where it is, new ones fill the gaps.
  void place(const std::vector<EndpointPort>& ports, const std::vector<PodEndpoint>& pods) {
    std::map<std::string, Endpoint> wanted;
    for (const PodEndpoint& pod : pods)
      wanted.emplace(pod.pod->metadata.uid, to_endpoint(view_, service_, pod));
    std::vector<Draft> drafts;
    for (const SlicePtr& slice : take_with(ports)) {
      Draft& draft = drafts.emplace_back(slice, *slice);
      draft.slice.endpoints.clear();
      for (const Endpoint& endpoint : slice->endpoints) {
        const auto still = wanted.find(endpoint.targetRef ? endpoint.targetRef->uid : std::string());
        if (still == wanted.end()) continue;
        draft.slice.endpoints.push_back(std::move(still->second));
        wanted.erase(still);
      }
    }
    for (auto& [uid, endpoint] : wanted) with_room(drafts, ports).endpoints.push_back(std::move(endpoint));
    if (drafts.empty()) with_room(drafts, ports);
    const bool placeholder = pods.empty();
    for (size_t i = 0; i < drafts.size(); ++i) {
      const bool keep = !drafts[i].slice.endpoints.empty() || (placeholder && i == 0);
      if (keep) {
        drafts_.push_back(std::move(drafts[i]));
      } else {
        spare_.push_back(drafts[i].original);
      }
    }
  }

  std::vector<SlicePtr> take_with(const std::vector<EndpointPort>& ports) {
    std::vector<SlicePtr> taken;
    std::erase_if(spare_, [&](const SlicePtr& slice) {
      if (slice->ports != ports) return false;
      taken.push_back(slice);
      return true;
    });
    return taken;
  }

  static EndpointSlice& with_room(std::vector<Draft>& drafts, const std::vector<EndpointPort>& ports) {
    for (Draft& draft : drafts) {
      if (draft.slice.endpoints.size() < kMaxEndpointsPerSlice) return draft.slice;
    }
    Draft& draft = drafts.emplace_back();
    draft.slice.ports = ports;
    return draft.slice;
  }

  void write(Plan& plan) {
    // A function of what there is: a create repeated after a lost answer asks for the same name.
    std::string seed = service_.metadata.uid + family_;
    for (const Draft& draft : drafts_) seed += draft.slice.metadata.uid;
    for (Draft& draft : drafts_) {
      // A slice that would be deleted is better changed into one that would be created.
      if (!draft.original && !spare_.empty()) {
        draft.original = spare_.back();
        draft.slice.metadata = draft.original->metadata;
        spare_.pop_back();
      }
      EndpointSlice& slice = draft.slice;
      slice.addressType = family_;
      slice.metadata.namespace_ = service_.metadata.namespace_;
      slice.metadata.labels = labels_of(service_);
      slice.metadata.ownerReferences = {controller_reference(service_)};
      if (!draft.original) {
        slice.metadata.name = derived_name(service_.metadata.name, seed += "+");
        slice.metadata.generateName = service_.metadata.name + "-";
        plan.actions.push_back(client::create(slice).accepting_done());
      } else if (slice != *draft.original) {
        plan.actions.push_back(client::update(slice));
      }
    }
    for (const SlicePtr& slice : spare_) plan.actions.push_back(client::remove(*slice));
  }

  const EndpointSliceView& view_;
  const Service& service_;
  const std::string family_;
  std::vector<SlicePtr> spare_;
  std::vector<Draft> drafts_;
};

// Ours, and not yet on their way out.
std::vector<SlicePtr> managed_slices(const EndpointSliceView& view, const std::string& key) {
  std::vector<SlicePtr> slices = view.slices.by_index(kServiceIndex, key);
  std::erase_if(slices, [](const SlicePtr& slice) {
    const auto manager = slice->metadata.labels.find(kManagedByLabel);
    const bool ours = manager != slice->metadata.labels.end() && manager->second == kSliceController;
    return !ours || slice->metadata.deletionTimestamp;
  });
  return slices;
}

}  // namespace

Plan plan_endpoint_slices(const EndpointSliceView& view, const std::string& key, const PlanContext&) {
  const auto service = view.services.get(key);
  // The slices of a deleted service go with their owner; those of one that lost its selector are its user's.
  if (!service || service->metadata.deletionTimestamp || !has_computed_endpoints(*service)) return {};
  Plan plan;
  const std::vector<SlicePtr> existing = managed_slices(view, key);
  std::vector<std::string> families = service->spec.ipFamilies;
  if (families.empty()) families = {"IPv4"};
  for (const std::string& family : families) Family(view, *service, family).run(existing, plan);
  for (const SlicePtr& slice : existing) {
    if (!contains(families, slice->addressType)) plan.actions.push_back(client::remove(*slice));
  }
  return plan;
}

ControllerPtr make_endpoint_slice_controller(const Deps& deps) {
  auto& services = deps.informers.of<Service>();
  auto& pods = deps.informers.of<Pod>();
  auto& nodes = deps.informers.of<Node>();
  auto& slices = deps.informers.of<EndpointSlice>();
  add_service_index(slices);
  const EndpointSliceView view{services.cache(), pods.cache(), nodes.cache(), slices.cache()};
  auto controller =
      std::make_unique<Controller>(deps, Controller::Options{.name = "endpointslice-controller"},
                                   [view](const std::string& key, const PlanContext& context) {
                                     return plan_endpoint_slices(view, key, context);
                                   });
  client::Reconciler& reconciler = controller->reconciler();
  reconciler.watch(services);
  reconciler.watch(pods, [view](const PodPtr& before, const PodPtr& now) {
    return services_of_change(view.services, before, now);
  });
  reconciler.watch(slices, [](const SlicePtr& before, const SlicePtr& now) -> std::vector<std::string> {
    const EndpointSlice& slice = now ? *now : *before;
    const auto service = slice.metadata.labels.find(kServiceNameLabel);
    if (service == slice.metadata.labels.end()) return {};
    return {client::object_key(slice.metadata.namespace_, service->second)};
  });
  reconciler.needs(nodes);
  return controller;
}

}  // namespace cloudless::controllers
