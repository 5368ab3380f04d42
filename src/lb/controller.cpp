#include <boost/json.hpp>

#include "api/core_v1.hpp"
#include "base/strings.hpp"
#include "client/dynamic.hpp"
#include "client/event_recorder.hpp"
#include "client/informers.hpp"
#include "client/reconciler.hpp"
#include "lb/allocator.hpp"
#include "lb/lb.hpp"
#include "runtime/timer.hpp"

namespace cloudless::lb {

namespace json = boost::json;

namespace {

using api::core::v1::Namespace;
using api::core::v1::Service;
using client::Dynamic;
using runtime::Task;

constexpr const char* kComponent = "metallb-controller";
constexpr const char* kPoolAnnotation = "metallb.io/ip-allocated-from-pool";
constexpr const char* kOldPoolAnnotation = "metallb.universe.tf/ip-allocated-from-pool";
constexpr Duration kRetry = std::chrono::seconds(1);

std::string quoted(const std::vector<net::IpAddress>& ips) {
  std::vector<std::string> texts;
  for (const net::IpAddress& ip : ips) texts.push_back(quote(ip.to_string()));
  return "[" + join(texts, " ") + "]";
}

std::vector<std::string> ingress_of(const Service& service) {
  std::vector<std::string> ips;
  for (const auto& ingress : service.status.loadBalancer.ingress) ips.push_back(ingress.ip);
  return ips;
}

std::vector<std::string> texts_of(const std::vector<net::IpAddress>& ips) {
  std::vector<std::string> texts;
  for (const net::IpAddress& ip : ips) texts.push_back(ip.to_string());
  return texts;
}

std::string pool_of(const Service& service) {
  for (const char* name : {kPoolAnnotation, kOldPoolAnnotation}) {
    const auto found = service.metadata.annotations.find(name);
    if (found != service.metadata.annotations.end()) return found->second;
  }
  return {};
}

// The status, provided that the Service is as we saw it.
client::Action set_status(const Service& service, const std::vector<std::string>& ips) {
  json::array ingress;
  for (const std::string& ip : ips) ingress.push_back(json::object{{"ip", ip}});
  json::value load_balancer = json::object{{"ingress", std::move(ingress)}};
  if (ips.empty()) load_balancer = json::object{{"ingress", nullptr}};
  return client::patch(service, client::PatchType::kMerge,
                       json::serialize(json::object{
                           {"metadata", json::object{{"resourceVersion", service.metadata.resourceVersion}}},
                           {"status", json::object{{"loadBalancer", std::move(load_balancer)}}}}),
                       "status");
}

client::Action set_pool(const Service& service, const std::string& pool) {
  json::object annotations{{kOldPoolAnnotation, nullptr}};
  annotations[kPoolAnnotation] = pool.empty() ? json::value(nullptr) : json::value(pool);
  return client::patch(
      service, client::PatchType::kMerge,
      json::serialize(json::object{{"metadata", json::object{{"annotations", std::move(annotations)}}}}));
}

}  // namespace

struct LoadBalancerController::State {
  State(LoadBalancerOptions opts, client::Informers& shared, runtime::EventLoop& loop, Random& random,
        Logger logger)
      : options(std::move(opts)),
        informers(shared),
        services(shared.of<Service>()),
        namespaces(shared.of<Namespace>()),
        pools(shared.of<Dynamic>(address_pool_resource())),
        log(std::move(logger)),
        scope(loop, log),
        recorder(shared.client(), scope, random, kComponent, "", log),
        performer(shared.client(), shared, recorder, kComponent) {}

  Task<void> run();
  Task<bool> apply_definitions();
  Task<void> allocate();
  Task<Result<>> reconcile();
  Task<Result<>> converge(const Service& service, const Allocation& allocation);
  void tell(const Service& service, const Allocation& allocation);
  std::vector<AddressPool> read_pools();
  std::map<std::string, schema::Labels> namespace_labels() const;

  const LoadBalancerOptions options;
  client::Informers& informers;
  client::Informer<Service>& services;
  client::Informer<Namespace>& namespaces;
  client::Informer<Dynamic>& pools;
  Logger log;
  runtime::TaskScope scope;
  client::EventRecorder recorder;
  client::Performer performer;
  runtime::Signal wake;
  std::map<std::string, Allocation> told;
  std::map<std::string, std::string> bad_pools;  // by name: what was logged
};

std::vector<AddressPool> LoadBalancerController::State::read_pools() {
  std::vector<AddressPool> parsed;
  for (const auto& [key, object] : pools.cache().all()) {
    if (!options.namespace_name.empty() && object->metadata.namespace_ != options.namespace_name) continue;
    auto pool = parse_pool(object->object);
    if (pool) {
      bad_pools.erase(key);
      parsed.push_back(std::move(*pool));
    } else if (bad_pools[key] != pool.error().message) {
      bad_pools[key] = pool.error().message;
      log.error("an IPAddressPool is not used", {{"pool", key}, {"error", pool.error()}});
      recorder.record({{"metallb.io/v1beta1", "IPAddressPool", object->metadata.namespace_,
                        object->metadata.name, object->metadata.uid, object->metadata.resourceVersion, ""},
                       client::EventLevel::kWarning,
                       "InvalidPool",
                       pool.error().message});
    }
  }
  return parsed;
}

std::map<std::string, schema::Labels> LoadBalancerController::State::namespace_labels() const {
  std::map<std::string, schema::Labels> labels;
  for (const auto& [name, object] : namespaces.cache().all()) labels[name] = object->metadata.labels;
  return labels;
}

// Each outcome is told once.
void LoadBalancerController::State::tell(const Service& service, const Allocation& allocation) {
  Allocation& last = told[client::key_of(service)];
  if (last == allocation) return;
  const auto about = client::ref_to(service);
  const std::string key = quote(client::key_of(service));
  if (!allocation.cleared.empty())
    recorder.record(
        {about, client::EventLevel::kNormal, "ClearAssignment",
         fmt::format("current IP for {} not allowed by config, will attempt for new IP assignment: {}", key,
                     allocation.cleared)});
  if (!allocation.failure.empty()) {
    recorder.record({about, client::EventLevel::kWarning, "AllocationFailed",
                     fmt::format("Failed to allocate IP for {}: {}", key, allocation.failure)});
  } else if (ingress_of(service) != texts_of(allocation.ips)) {
    recorder.record({about, client::EventLevel::kNormal, "IPAllocated",
                     fmt::format("Assigned IP {}", quoted(allocation.ips))});
  }
  last = allocation;
}

Task<Result<>> LoadBalancerController::State::converge(const Service& service, const Allocation& allocation) {
  if (ingress_of(service) != texts_of(allocation.ips))
    CO_TRY(co_await performer.perform(set_status(service, texts_of(allocation.ips))));
  if (pool_of(service) != allocation.pool)
    CO_TRY(co_await performer.perform(set_pool(service, allocation.pool)));
  co_return Result<>();
}

Task<Result<>> LoadBalancerController::State::reconcile() {
  std::vector<AddressRequest> requests;
  std::vector<std::shared_ptr<const Service>> touched;
  for (const auto& [key, service] : services.cache().all()) {
    auto request = request_of(*service, options.load_balancer_class);
    // What we gave to a Service that is no load balancer any more is taken back.
    if (request || !pool_of(*service).empty()) touched.push_back(service);
    if (request) requests.push_back(std::move(*request));
  }
  const auto allocations = plan_allocation(requests, read_pools(), namespace_labels());
  std::erase_if(told, [&](const auto& entry) { return !allocations.contains(entry.first); });
  Result<> last;
  for (const auto& service : touched) {
    const auto planned = allocations.find(client::key_of(*service));
    const Allocation allocation = planned == allocations.end() ? Allocation() : planned->second;
    if (planned != allocations.end()) tell(*service, allocation);
    const auto converged = co_await converge(*service, allocation);
    if (!converged) last = converged;
  }
  co_return last;
}

Task<void> LoadBalancerController::State::allocate() {
  wake.notify();
  while (co_await wake.wait()) {
    const auto done = co_await reconcile();
    if (done) continue;
    if (done.error().code == Code::kCancelled) co_return;
    log.warn("load balancer addresses could not be written", {{"error", done.error()}});
    if (!co_await runtime::sleep_for(kRetry)) co_return;
    wake.notify();
  }
}

Task<bool> LoadBalancerController::State::apply_definitions() {
  for (const auto& [name, definition] : custom_resource_definitions()) {
    const auto created =
        co_await informers.client().create_raw(custom_resource_definition_resource(), "", definition);
    if (created || created.error().code == Code::kAlreadyExists) continue;
    if (created.error().code != Code::kCancelled)
      log.warn("a resource could not be defined", {{"name", name}, {"error", created.error()}});
    co_return false;
  }
  co_return true;
}

Task<void> LoadBalancerController::State::run() {
  while (!co_await apply_definitions()) {
    if (!co_await runtime::sleep_for(kRetry)) co_return;
  }
  for (client::InformerBase* informer :
       std::initializer_list<client::InformerBase*>{&services, &namespaces, &pools}) {
    if (!co_await informer->wait_synced()) co_return;
  }
  co_await allocate();
}

LoadBalancerController::LoadBalancerController(LoadBalancerOptions options, client::Informers& informers,
                                               runtime::EventLoop& loop, Random& random, Logger log)
    : state_(std::make_unique<State>(std::move(options), informers, loop, random, std::move(log))) {}

LoadBalancerController::~LoadBalancerController() = default;

Task<Result<>> LoadBalancerController::start() {
  State* const state = state_.get();
  state->services.add_handler([state](const auto&, const auto&) { state->wake.notify(); });
  state->pools.add_handler([state](const auto&, const auto&) { state->wake.notify(); });
  state->namespaces.add_handler([state](const auto& before, const auto& now) {
    if (!before || !now || before->metadata.labels != now->metadata.labels) state->wake.notify();
  });
  state->scope.spawn(state->run());
  co_return Result<>();
}

Task<void> LoadBalancerController::stop() {
  state_->scope.cancel();
  co_await state_->scope.join();
}

}  // namespace cloudless::lb
