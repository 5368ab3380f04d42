#include "dns/dns.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/strings.hpp"
#include "client/codec.hpp"
#include "dns/dns_endpoint_crd.hpp"
#include "runtime/timer.hpp"

namespace cloudless::dns {

using api::core::v1::Service;
using api::discovery::v1::EndpointSlice;
using runtime::Task;

namespace {

constexpr const char* kByService = "dns.service";

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

std::vector<std::string> service_of(const EndpointSlice& slice) {
  const auto label = slice.metadata.labels.find(std::string(kServiceNameLabel));
  if (label == slice.metadata.labels.end()) return {};
  return {client::object_key(slice.metadata.namespace_, label->second)};
}

// The origin of what an object asks for, from its key alone: the object may be gone.
Origin origin_of(std::string_view kind, std::string_view key) {
  const size_t slash = key.find('/');
  return {.kind = std::string(kind),
          .api_version = {},
          .ns = std::string(key.substr(0, slash)),
          .name = std::string(key.substr(slash + 1)),
          .uid = {}};
}

uint32_t serial_of(std::string_view resource_version) {
  return static_cast<uint32_t>(client::revision_of(resource_version));
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
  domain_ = TRY(Name::parse(options_.cluster.domain)).canonical();
  own_ = MergedZones(TRY(cluster_zones(options_.cluster)));
  TRY(server_.start());
  follow();
  scope_.spawn(config_maps_.run());
  scope_.spawn(work_in_changes());
  changed_.notify();
  return {};
}

void Dns::follow() {
  config_maps_.add_handler([this](const auto&, const auto&) {
    texts_changed_ = true;
    changed_.notify();
  });
  const auto note_in = [this](Keys& keys) {
    return [this, &keys](const auto& before, const auto& now) {
      keys.insert(client::key_of(now ? *now : *before));
      changed_.notify();
    };
  };
  services_.add_handler(note_in(changed_services_));
  ingresses_.add_handler(note_in(changed_ingresses_));
  dns_endpoints_.add_handler(note_in(changed_endpoints_));
  // Of slices those of headless Services alone make records, so that endpoints that come and go elsewhere
  // cost nothing. A Service that comes after its slices, or becomes headless, changes itself.
  slices_.add_index(kByService, service_of);
  slices_.add_handler([this](const auto& before, const auto& now) {
    for (const auto* slice : {before.get(), now.get()}) {
      if (!slice) continue;
      for (const std::string& key : service_of(*slice)) note_if_headless(key);
    }
  });
  if (membership_) {
    membership_subscription_ = membership_->subscribe([this] {
      for (const auto& [key, service] : services_.cache().all()) note_if_headless(key);
    });
  }
}

void Dns::note_if_headless(const std::string& service_key) {
  const auto service = services_.cache().get(service_key);
  if (!service || service->spec.clusterIP != "None") return;
  changed_services_.insert(service_key);
  changed_.notify();
}

Task<void> Dns::stop() {
  membership_subscription_.reset();
  scope_.cancel();
  co_await scope_.join();
  co_await server_.stop();
}

Task<void> Dns::work_in_changes() {
  while (co_await changed_.wait()) {
    if (!co_await runtime::sleep_for(kCoalesce)) co_return;
    work_in();
    publish();
  }
}

void Dns::work_in() {
  if (std::exchange(texts_changed_, false)) read_texts();
  for (const std::string& key : std::exchange(changed_services_, {})) read_service(key);
  for (const std::string& key : std::exchange(changed_ingresses_, {})) {
    const auto ingress = ingresses_.cache().get(key);
    if (ingress) {
      take(collect(*ingress), ingress->metadata.resourceVersion);
    } else {
      take({.origin = origin_of("Ingress", key), .records = {}, .problems = {}}, {});
    }
  }
  for (const std::string& key : std::exchange(changed_endpoints_, {})) {
    const auto endpoint = dns_endpoints_.cache().get(key);
    const auto* object = endpoint ? endpoint->object.if_object() : nullptr;
    if (object) {
      take(collect_dns_endpoint(*object), endpoint->metadata.resourceVersion);
    } else {
      take({.origin = origin_of("DNSEndpoint", key), .records = {}, .problems = {}}, {});
    }
  }
}

void Dns::read_texts() {
  SourcesUpdate update = update_sources(sources_, values_of(config_maps_));
  sources_ = std::move(update.sources);
  text_problems_ = std::move(update.problems);
  loaded_ = std::move(update.loaded);
  public_.set_fixed(zones_of(sources_));
}

void Dns::read_service(const std::string& key) {
  const auto service = services_.cache().get(key);
  if (!service) {
    own_.set(origin_of("Service", key), {}, 0);
    take({.origin = origin_of("Service", key), .records = {}, .problems = {}}, {});
    return;
  }
  const auto slices = slices_.cache().by_index(kByService, key);
  uint32_t revision = serial_of(service->metadata.resourceVersion);
  for (const auto& slice : slices) {
    if (service->spec.clusterIP == "None")
      revision = std::max(revision, serial_of(slice->metadata.resourceVersion));
  }
  NodeAlive alive;
  if (membership_) {
    alive = [members = membership_->view()](const std::string& node) { return !members->is_dead(node); };
  }
  own_.set(origin_of("Service", key), service_records(domain_, *service, slices, alive), revision);
  take(collect(*service), service->metadata.resourceVersion);
}

void Dns::take(Wanted wanted, std::string_view resource_version) {
  object_problems_.erase(wanted.origin);
  if (!wanted.problems.empty()) object_problems_.emplace(wanted.origin, std::move(wanted.problems));
  public_.set(wanted.origin, std::move(wanted.records), serial_of(resource_version));
}

void Dns::publish() {
  auto for_anybody = public_.update();
  auto own = own_.update();
  for (const auto* updated : {&for_anybody, &own}) {
    if (*updated) continue;
    log_.error("zones cannot be built, the last ones stay", {{"error", updated->error()}});
    return;
  }
  auto zones = std::make_shared<Zones>();
  zones->for_anybody = ZoneSet(*for_anybody);
  std::ranges::copy(*for_anybody, std::back_inserter(*own));
  zones->for_cluster = ZoneSet(std::move(*own));
  server_.set_zones(std::move(zones));
  report();
}

void Dns::report() {
  std::vector<Origin> loaded = std::exchange(loaded_, {});
  if (!options_.reports()) return;
  for (const Origin& origin : loaded) {
    recorder_.record({ref_to(origin), client::EventLevel::kNormal, "ZonesLoaded",
                      "the zones of this ConfigMap are served"});
  }
  std::vector<Problem> problems = public_.problems();
  problems.insert(problems.end(), text_problems_.begin(), text_problems_.end());
  for (const auto& [origin, of_object] : object_problems_) {
    problems.insert(problems.end(), of_object.begin(), of_object.end());
  }
  std::set<std::string> standing;
  for (const Problem& problem : problems) {
    const Origin& origin = problem.origin;
    std::string key = join(
        std::vector<std::string>{origin.uid, origin.ns, origin.name, problem.reason, problem.message}, "\n");
    if (!reported_.contains(key)) {
      recorder_.record({ref_to(origin), client::EventLevel::kWarning, problem.reason, problem.message});
    }
    standing.insert(std::move(key));
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
