#include "dns/dns.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/strings.hpp"
#include "client/codec.hpp"
#include "dns/dns_endpoint_crd.hpp"
#include "runtime/timer.hpp"

namespace cloudless::dns {

using runtime::Task;

namespace {

// A burst of changes (a rollout, the first list) is one rebuild.
constexpr Duration kCoalesce = std::chrono::milliseconds(5);

// How many problems are remembered as told; beyond it all are told again.
constexpr size_t kMaxReported = 10'000;

const client::Resource kDnsEndpoints{"externaldns.k8s.io", "v1alpha1", "dnsendpoints", "DNSEndpoint",
                                     client::Scope::kNamespaced};
const client::Resource kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                             "CustomResourceDefinition", client::Scope::kCluster};

client::InformerOptions zones_selector() {
  client::InformerOptions options;
  options.label_selector = fmt::format("{}={}", kZonesLabel, kZonesLabelValue);
  return options;
}

client::ObjectRef ref_to(const Origin& origin) {
  return {.api_version = origin.api_version,
          .kind = origin.kind,
          .ns = origin.ns,
          .name = origin.name,
          .uid = origin.uid,
          .resource_version = {},
          .field_path = {}};
}

// Of slices the zones hold those of headless Services alone, so that endpoints that come and go elsewhere
// cost nothing. A slice that is here before its Service counts: it may be.
bool makes_records(const api::discovery::v1::EndpointSlice& slice,
                   const client::Informer<api::core::v1::Service>& services) {
  const auto label = slice.metadata.labels.find(std::string(kServiceNameLabel));
  if (label == slice.metadata.labels.end()) return false;
  const auto service = services.cache().get(slice.metadata.namespace_, label->second);
  return !service || service->spec.clusterIP == "None";
}

template <class T>
std::vector<std::shared_ptr<const T>> values_of(const client::Informer<T>& informer) {
  std::vector<std::shared_ptr<const T>> values;
  values.reserve(informer.cache().size());
  for (const auto& [key, object] : informer.cache().all()) values.push_back(object);
  return values;
}

}  // namespace

Dns::Dns(Options options, runtime::EventLoop& loop, client::Informers& informers,
         gossip::Membership* membership, Random& random, metrics::Registry& registry, Logger log)
    : options_(std::move(options)),
      membership_(membership),
      log_(log),
      scope_(loop, log),
      config_maps_(informers.client(), client::resource_of<api::core::v1::ConfigMap>(), zones_selector(),
                   random, log),
      services_(informers.of<api::core::v1::Service>()),
      slices_(informers.of<api::discovery::v1::EndpointSlice>()),
      ingresses_(informers.of<api::networking::v1::Ingress>()),
      dns_endpoints_(informers.of<client::Dynamic>(kDnsEndpoints)),
      recorder_(informers.client(), scope_, random, "cloudless-dns", "", log),
      forwarder_(options_.forwarder.upstreams.empty()
                     ? nullptr
                     : std::make_unique<Forwarder>(loop, options_.forwarder, random, log)),
      server_(loop, options_.server, forwarder_.get(), registry, log) {}

Dns::~Dns() = default;

Result<> Dns::start() {
  TRY(server_.start());
  const auto notify = [this](const auto&, const auto&) { changed_.notify(); };
  config_maps_.add_handler(notify);
  services_.add_handler(notify);
  slices_.add_handler([this](const auto& before, const auto& now) {
    if (makes_records(now ? *now : *before, services_)) changed_.notify();
  });
  ingresses_.add_handler(notify);
  dns_endpoints_.add_handler(notify);
  if (membership_) membership_subscription_ = membership_->subscribe([this] { changed_.notify(); });
  scope_.spawn(config_maps_.run());
  scope_.spawn(rebuild_on_change());
  return {};
}

Task<void> Dns::stop() {
  membership_subscription_.reset();
  scope_.cancel();
  co_await scope_.join();
  co_await server_.stop();
}

Task<void> Dns::rebuild_on_change() {
  while (co_await changed_.wait()) {
    if (!co_await runtime::sleep_for(kCoalesce)) co_return;
    rebuild();
  }
}

void Dns::rebuild() {
  const uint32_t serial = newest_revision();
  SourcesUpdate update = update_sources(sources_, values_of(config_maps_));
  sources_ = update.sources;
  const PublicZones public_zones = build_zones(sources_, collect_wanted(), serial);
  ClusterView view{.services = values_of(services_), .slices = values_of(slices_), .node_alive = {}};
  if (membership_) {
    view.node_alive = [members = membership_->view()](const std::string& node) {
      return !members->is_dead(node);
    };
  }
  auto own = cluster_zones(options_.cluster, view, serial);
  if (!own) {
    log_.error("the cluster's zones cannot be built, the last ones stay", {{"error", own.error()}});
    return;
  }
  auto zones = std::make_shared<Zones>();
  zones->for_anybody = ZoneSet(public_zones.zones);
  std::ranges::copy(public_zones.zones, std::back_inserter(*own));
  zones->for_cluster = ZoneSet(std::move(*own));
  server_.set_zones(std::move(zones));
  report(update, public_zones);
}

Wanted Dns::collect_wanted() const {
  Wanted wanted;
  for (const auto& [key, service] : services_.cache().all()) collect(*service, wanted);
  for (const auto& [key, ingress] : ingresses_.cache().all()) collect(*ingress, wanted);
  for (const auto& [key, endpoint] : dns_endpoints_.cache().all()) {
    if (const auto* object = endpoint->object.if_object()) collect_dns_endpoint(*object, wanted);
  }
  return wanted;
}

// The highest revision among what records are made from: the same on every node that sees the same objects.
uint32_t Dns::newest_revision() const {
  int64_t newest = 0;
  const auto count = [&newest](const auto& object) {
    newest = std::max(newest, client::revision_of(object.metadata.resourceVersion));
  };
  const auto look = [&count](const auto& informer) {
    for (const auto& [key, object] : informer.cache().all()) count(*object);
  };
  look(config_maps_);
  look(services_);
  for (const auto& [key, slice] : slices_.cache().all()) {
    if (makes_records(*slice, services_)) count(*slice);
  }
  look(ingresses_);
  look(dns_endpoints_);
  return static_cast<uint32_t>(newest);
}

void Dns::report(const SourcesUpdate& update, const PublicZones& zones) {
  if (!options_.reports()) return;
  for (const Origin& origin : update.loaded) {
    recorder_.record({ref_to(origin), client::EventLevel::kNormal, "ZonesLoaded",
                      "the zones of this ConfigMap are served"});
  }
  std::set<std::string> standing;
  for (const auto* problems : {&update.problems, &zones.problems}) {
    for (const Problem& problem : *problems) {
      const Origin& origin = problem.origin;
      std::string key =
          join(std::vector<std::string>{origin.uid, origin.ns, origin.name, problem.reason, problem.message},
               "\n");
      if (!reported_.contains(key)) {
        recorder_.record({ref_to(origin), client::EventLevel::kWarning, problem.reason, problem.message});
      }
      standing.insert(std::move(key));
    }
  }
  if (standing.size() > kMaxReported) standing.clear();
  reported_ = std::move(standing);
}

Task<Result<>> Dns::install_crd(const client::Client& client) {
  const auto created = co_await client.create_raw(kCrds, "", dns_endpoint_crd());
  if (!created && created.error().code != Code::kAlreadyExists) {
    co_return wrap(created.error(), "install the DNSEndpoint definition");
  }
  co_return {};
}

}  // namespace cloudless::dns
