#include <algorithm>
#include <boost/json.hpp>

#include "api/core_v1.hpp"
#include "api/discovery_v1.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "client/dynamic.hpp"
#include "client/event_recorder.hpp"
#include "client/informers.hpp"
#include "lb/announcer.hpp"
#include "lb/election.hpp"
#include "lb/lb.hpp"
#include "runtime/timer.hpp"

namespace cloudless::lb {

namespace json = boost::json;

namespace {

using api::core::v1::Node;
using api::core::v1::Service;
using api::discovery::v1::EndpointSlice;
using client::Dynamic;
using runtime::Task;

constexpr const char* kComponent = "metallb-speaker";
constexpr const char* kExcludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";
constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";
constexpr const char* kByService = "service";
constexpr size_t kStatusNameDigits = 10;
// The safety net under ServiceL2Status: one that somebody has removed is written again.
constexpr Duration kStatusResync = std::chrono::minutes(5);

std::vector<std::string> service_of(const EndpointSlice& slice) {
  const auto label = slice.metadata.labels.find(kServiceNameLabel);
  if (label == slice.metadata.labels.end()) return {};
  return {client::object_key(slice.metadata.namespace_, label->second)};
}

CandidateNode candidate_of(const Node& node) {
  CandidateNode candidate{node.metadata.name, node.metadata.labels,
                          node.metadata.labels.contains(kExcludeLabel)};
  for (const auto& condition : node.status.conditions) {
    if (condition.type == "NetworkUnavailable" && condition.status == "True") candidate.excluded = true;
  }
  return candidate;
}

void add_endpoints(AnnouncedService& service, const EndpointSlice& slice) {
  for (const auto& endpoint : slice.endpoints) {
    // As MetalLB: one that only serves while it terminates still counts.
    const bool ready = endpoint.conditions.ready.value_or(true);
    if (ready || endpoint.conditions.serving.value_or(ready))
      service.endpoint_nodes.insert(endpoint.nodeName.value_or(""));
  }
}

std::set<std::string> alive_members(const gossip::MembershipView& view) {
  std::set<std::string> alive;
  for (const auto& [name, member] : view.members) {
    if (view.is_alive(name)) alive.insert(name);
  }
  return alive;
}

std::string status_name(const std::string& service, const std::string& node) {
  return "l2-" + hex_encode(sha256(service + "@" + node)).substr(0, kStatusNameDigits);
}

}  // namespace

struct LoadBalancerSpeaker::State {
  State(LoadBalancerOptions opts, client::Informers& informers, gossip::Membership& members,
        runtime::EventLoop& loop, Random& random, Logger logger)
      : options(std::move(opts)),
        client(informers.client()),
        services(informers.of<Service>()),
        slices(informers.of<EndpointSlice>()),
        nodes(informers.of<Node>()),
        pools(informers.of<Dynamic>(address_pool_resource())),
        advertisements(informers.of<Dynamic>(l2_advertisement_resource())),
        membership(members),
        log(std::move(logger)),
        scope(loop, log),
        recorder(informers.client(), scope, random, kComponent, options.node_name, log),
        announcer(options.excluded_interfaces, loop, log) {}

  void follow();
  Task<void> run();
  Task<void> report();
  ElectionView view(const gossip::MembershipView& members) const;
  std::vector<AnnouncedService> announced_services() const;
  void elect_and_announce();
  void tell(const std::map<std::string, std::set<std::string>>& now);
  Task<void> write_status(const std::string& service, const std::set<std::string>& interfaces);
  Task<void> remove_status(const std::string& service, const std::string& node);
  Task<void> remove_statuses_of_dead_nodes(const std::string& service);
  json::array owner_references() const;

  const LoadBalancerOptions options;
  const client::Client& client;
  client::Informer<Service>& services;
  client::Informer<EndpointSlice>& slices;
  client::Informer<Node>& nodes;
  client::Informer<Dynamic>& pools;
  client::Informer<Dynamic>& advertisements;
  gossip::Membership& membership;
  Logger log;
  runtime::TaskScope scope;
  client::EventRecorder recorder;
  Announcer announcer;
  std::shared_ptr<void> subscription;
  runtime::Signal wake;
  runtime::Signal changed;  // there is something to report
  std::set<std::string> alive;
  std::map<std::string, std::set<std::string>> announced;  // Service -> interfaces
  std::map<std::string, std::set<std::string>> reported;
};

void LoadBalancerSpeaker::State::follow() {
  const auto notify = [this](const auto&, const auto&) { wake.notify(); };
  services.add_handler(notify);
  slices.add_index(kByService, service_of);
  slices.add_handler(notify);
  pools.add_handler(notify);
  advertisements.add_handler(notify);
  nodes.add_handler([this](const auto& before, const auto& now) {
    const bool same = before && now && before->metadata.labels == now->metadata.labels &&
                      candidate_of(*before).excluded == candidate_of(*now).excluded;
    if (!same) wake.notify();
  });
  subscription = membership.subscribe([this] { wake.notify(); });
}

ElectionView LoadBalancerSpeaker::State::view(const gossip::MembershipView& members) const {
  ElectionView view;
  view.members = &members;
  for (const auto& [key, object] : pools.cache().all()) {
    if (auto pool = parse_pool(object->object)) view.pools.push_back(std::move(*pool));
  }
  for (const auto& [key, object] : advertisements.cache().all()) {
    if (auto advertisement = parse_l2_advertisement(object->object))
      view.advertisements.push_back(std::move(*advertisement));
  }
  for (const auto& [name, node] : nodes.cache().all()) view.nodes.push_back(candidate_of(*node));
  return view;
}

std::vector<AnnouncedService> LoadBalancerSpeaker::State::announced_services() const {
  std::vector<AnnouncedService> found;
  for (const auto& [key, service] : services.cache().all()) {
    if (service->spec.type != "LoadBalancer" ||
        service->spec.loadBalancerClass.value_or("") != options.load_balancer_class)
      continue;
    AnnouncedService announced_service;
    announced_service.key = key;
    if (service->spec.externalTrafficPolicy == "Local") announced_service.policy = ExternalPolicy::kLocal;
    for (const auto& ingress : service->status.loadBalancer.ingress) {
      if (const auto ip = net::IpAddress::parse(ingress.ip)) announced_service.ips.push_back(*ip);
    }
    if (announced_service.ips.empty()) continue;
    for (const auto& slice : slices.cache().by_index(kByService, key))
      add_endpoints(announced_service, *slice);
    found.push_back(std::move(announced_service));
  }
  return found;
}

void LoadBalancerSpeaker::State::tell(const std::map<std::string, std::set<std::string>>& now) {
  for (const auto& [key, interfaces] : now) {
    if (announced.contains(key)) continue;
    log.info("this node announces a service", {{"service", key}});
    if (const auto service = services.cache().get(key))
      recorder.record(
          {client::ref_to(*service), client::EventLevel::kNormal, "nodeAssigned",
           fmt::format("announcing from node {} with protocol \"layer2\"", quote(options.node_name))});
  }
}

void LoadBalancerSpeaker::State::elect_and_announce() {
  const auto members = membership.view();
  const auto announcements = plan_announcements(view(*members), announced_services(), options.node_name);
  AnnouncedAddresses addresses;
  std::map<std::string, std::set<std::string>> by_service;
  const std::vector<std::string> all_interfaces = announcer.interfaces();
  for (const auto& [ip, announcement] : announcements) {
    addresses[ip] = announcement.interfaces;
    for (const std::string& key : announcement.services) {
      std::set<std::string>& interfaces = by_service[key];
      for (const std::string& name : all_interfaces) {
        if (announcement.interfaces.empty() || announcement.interfaces.contains(name))
          interfaces.insert(name);
      }
    }
  }
  announcer.set(std::move(addresses));
  // A member that is back may have announced, cut off from us, what is ours.
  std::set<std::string> alive_now = alive_members(*members);
  if (!std::ranges::includes(alive, alive_now)) announcer.repeat();
  alive = std::move(alive_now);
  tell(by_service);
  if (by_service == announced) return;
  announced = std::move(by_service);
  changed.notify();
}

Task<void> LoadBalancerSpeaker::State::run() {
  for (client::InformerBase* informer :
       std::initializer_list<client::InformerBase*>{&services, &slices, &nodes, &pools, &advertisements}) {
    if (!co_await informer->wait_synced()) co_return;
  }
  wake.notify();
  while (co_await wake.wait()) elect_and_announce();
}

// ServiceL2Status is for people; it follows what is announced and never holds it up.
Task<void> LoadBalancerSpeaker::State::report() {
  for (;;) {
    const auto woken =
        co_await runtime::with_timeout(kStatusResync, "a change of announcements", changed.wait());
    if (!woken && woken.error().code == Code::kCancelled) co_return;
    const auto wanted = announced;
    for (const auto& [key, interfaces] : reported) {
      if (!wanted.contains(key)) co_await remove_status(key, options.node_name);
    }
    for (const auto& [key, interfaces] : wanted) {
      const auto before = reported.find(key);
      const bool is_new = before == reported.end();
      if (!woken || is_new || before->second != interfaces) co_await write_status(key, interfaces);
      if (!woken || is_new) co_await remove_statuses_of_dead_nodes(key);
    }
    reported = wanted;
  }
}

// Who lost its power cannot take back what it said; whoever announces in its place does.
Task<void> LoadBalancerSpeaker::State::remove_statuses_of_dead_nodes(const std::string& service) {
  const auto members = membership.view();
  std::vector<std::string> dead;
  for (const auto& [name, node] : nodes.cache().all()) {
    if (members->is_dead(name)) dead.push_back(name);
  }
  for (const std::string& name : dead) co_await remove_status(service, name);
}

// A Node that is removed takes its statuses with it.
json::array LoadBalancerSpeaker::State::owner_references() const {
  const auto node = nodes.cache().get(options.node_name);
  if (!node || node->metadata.uid.empty()) return {};
  return {json::object{
      {"apiVersion", "v1"}, {"kind", "Node"}, {"name", node->metadata.name}, {"uid", node->metadata.uid}}};
}

Task<void> LoadBalancerSpeaker::State::write_status(const std::string& service,
                                                    const std::set<std::string>& interfaces) {
  const client::NamespacedName name = client::split_key(service);
  json::array list;
  for (const std::string& interface : interfaces) list.push_back(json::object{{"name", interface}});
  const std::string object_name = status_name(service, options.node_name);
  const json::object labels{{"metallb.io/node", options.node_name},
                            {"metallb.io/service-name", name.name},
                            {"metallb.io/service-namespace", name.ns}};
  json::object object{{"apiVersion", "metallb.io/v1beta1"},
                      {"kind", "ServiceL2Status"},
                      {"metadata", json::object{{"name", object_name},
                                                {"namespace", options.status_namespace},
                                                {"labels", labels},
                                                {"ownerReferences", owner_references()}}},
                      {"spec", json::object()}};
  const auto created = co_await client.create_raw(service_l2_status_resource(), options.status_namespace,
                                                  json::serialize(object));
  if (!created && created.error().code != Code::kAlreadyExists) {
    log.debug("a ServiceL2Status was not written", {{"service", service}, {"error", created.error()}});
    co_return;
  }
  const json::object status{{"status", json::object{{"node", options.node_name},
                                                    {"serviceName", name.name},
                                                    {"serviceNamespace", name.ns},
                                                    {"interfaces", std::move(list)}}}};
  static_cast<void>(co_await client.patch_raw(service_l2_status_resource(), options.status_namespace,
                                              object_name, client::PatchType::kMerge, json::serialize(status),
                                              {.subresource = "status"}));
}

Task<void> LoadBalancerSpeaker::State::remove_status(const std::string& service, const std::string& node) {
  static_cast<void>(co_await client.delete_raw(service_l2_status_resource(), options.status_namespace,
                                               status_name(service, node)));
}

LoadBalancerSpeaker::LoadBalancerSpeaker(LoadBalancerOptions options, client::Informers& informers,
                                         gossip::Membership& membership, runtime::EventLoop& loop,
                                         Random& random, Logger log)
    : state_(
          std::make_unique<State>(std::move(options), informers, membership, loop, random, std::move(log))) {}

LoadBalancerSpeaker::~LoadBalancerSpeaker() = default;

Task<Result<>> LoadBalancerSpeaker::start() {
  CO_TRY(co_await state_->announcer.start());
  state_->follow();
  state_->scope.spawn(state_->run());
  state_->scope.spawn(state_->report());
  co_return Result<>();
}

Task<void> LoadBalancerSpeaker::stop() {
  state_->subscription.reset();
  state_->announcer.set({});
  state_->scope.cancel();
  co_await state_->scope.join();
  co_await state_->announcer.stop();
}

}  // namespace cloudless::lb
