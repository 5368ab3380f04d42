#include "network/service_proxy.hpp"

#include <bit>
#include <set>

#include "api/core_v1.hpp"
#include "api/discovery_v1.hpp"
#include "client/informers.hpp"
#include "network/command.hpp"
#include "network/health_checks.hpp"
#include "network/service_rules.hpp"
#include "runtime/timer.hpp"

namespace cloudless::network {

namespace {

using api::core::v1::Node;
using api::core::v1::Service;
using api::discovery::v1::EndpointSlice;
using runtime::Task;
using SlicePtr = std::shared_ptr<const EndpointSlice>;

constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";
constexpr const char* kByService = "service";
constexpr Duration kFirstRetry = std::chrono::milliseconds(200);
constexpr Duration kLastRetry = std::chrono::seconds(30);
/// Somebody else's firewall reload may flush our tables: how often we look whether they are there.
constexpr Duration kPresenceCheck = std::chrono::seconds(60);

std::string service_key_of(const EndpointSlice& slice) {
  const auto label = slice.metadata.labels.find(kServiceNameLabel);
  return label == slice.metadata.labels.end() ? std::string()
                                              : client::object_key(slice.metadata.namespace_, label->second);
}

std::vector<net::Prefix> parse_prefixes(const std::vector<std::string>& texts) {
  std::vector<net::Prefix> prefixes;
  for (const std::string& text : texts) {
    if (const auto prefix = net::Prefix::parse(text)) prefixes.push_back(*prefix);
  }
  return prefixes;
}

std::set<std::string> dead_nodes(const gossip::MembershipView& view) {
  std::set<std::string> dead;
  for (const auto& [name, member] : view.members) {
    if (view.is_dead(name)) dead.insert(name);
  }
  return dead;
}

// Forgetting is best effort: flows time out by themselves, and a machine without the tool still serves.
void forget_flows(const std::set<StaleFlow>& flows) {
  for (const StaleFlow& flow : flows) {
    std::vector<std::string> arguments{"-D", "-p", "udp", "--orig-port-dst", std::to_string(flow.port)};
    if (flow.vip.find(':') != std::string::npos || flow.endpoint.find(':') != std::string::npos)
      arguments.insert(arguments.end(), {"-f", "ipv6"});
    if (!flow.vip.empty()) arguments.insert(arguments.end(), {"--orig-dst", flow.vip});
    if (!flow.endpoint.empty()) arguments.insert(arguments.end(), {"--reply-src", flow.endpoint});
    static_cast<void>(run_command("conntrack", arguments, ""));
  }
}

struct Transaction {
  std::string script;
  std::set<StaleFlow> stale;
};

Result<> apply_transaction(const Transaction& transaction) {
  TRY(run_nft(transaction.script));
  forget_flows(transaction.stale);
  return {};
}

}  // namespace

struct ServiceProxy::State {
  State(ServiceProxyOptions opts, client::Informers& shared, gossip::Membership& members,
        runtime::EventLoop& event_loop, runtime::WorkerPool& pool, Logger logger)
      : options(std::move(opts)),
        services(shared.of<Service>()),
        slices(shared.of<EndpointSlice>()),
        nodes(shared.of<Node>()),
        membership(members),
        workers(pool),
        log(std::move(logger)),
        scope(event_loop, log),
        health_checks(event_loop, log) {
    context.node_name = options.node_name;
    context.cluster_cidrs = options.cluster_cidrs;
    context.service_cidrs = options.service_cidrs;
    context.node_port_addresses = options.node_port_addresses;
    context.is_dead = [this](const std::string& node) { return dead.contains(node); };
  }

  Task<void> run();
  Task<void> check_presence();
  Task<void> sync_once();
  void follow();
  void mark(const std::string& key) {
    dirty.insert(key);
    wake.notify();
  }
  void notice_deaths();
  void learn_pod_cidrs();
  void rebuild();
  Transaction collect();
  void update(const std::string& key, Transaction& transaction);
  void remember_health(const std::string& key, const ServiceView& view);
  void remember_nodes(const std::string& key, const ServiceView& view);

  const ServiceProxyOptions options;
  client::Informer<Service>& services;
  client::Informer<EndpointSlice>& slices;
  client::Informer<Node>& nodes;
  gossip::Membership& membership;
  runtime::WorkerPool& workers;
  Logger log;
  runtime::TaskScope scope;
  HealthChecks health_checks;
  runtime::Signal wake;
  std::shared_ptr<void> subscription;

  NodeContext context;
  std::set<std::string> dead;
  std::set<std::string> dirty;
  std::map<std::string, std::set<std::string>> keys_by_node;  // whose Services have endpoints there
  std::map<std::string, std::set<std::string>> nodes_by_key;
  std::map<std::string, std::pair<uint16_t, HealthCheck>> health;  // by Service, with its port
  bool health_changed = false;
  std::vector<RuleTable> tables;  // IPv4, IPv6
  bool full = true;               // the kernel's tables are not known to be ours
  bool outgrown = false;          // the base has too few choices
  Duration retry = kFirstRetry;
};

void ServiceProxy::State::follow() {
  slices.add_index(
      kByService, [](const EndpointSlice& slice) { return std::vector<std::string>{service_key_of(slice)}; });
  services.add_handler(
      [this](const auto& before, const auto& now) { mark(client::key_of(now ? *now : *before)); });
  slices.add_handler([this](const auto& before, const auto& now) {
    if (before) mark(service_key_of(*before));
    if (now) mark(service_key_of(*now));
  });
  nodes.add_handler([this](const auto&, const auto& now) {
    if (now && now->metadata.name == options.node_name) learn_pod_cidrs();
  });
  subscription = membership.subscribe([this] { wake.notify(); });
}

void ServiceProxy::State::learn_pod_cidrs() {
  const auto node = nodes.cache().get(options.node_name);
  if (!node) return;
  std::vector<net::Prefix> cidrs = parse_prefixes(node->spec.podCIDRs);
  if (cidrs.empty()) cidrs = parse_prefixes({node->spec.podCIDR});
  if (cidrs == context.pod_cidrs) return;
  context.pod_cidrs = std::move(cidrs);
  full = true;
  wake.notify();
}

void ServiceProxy::State::notice_deaths() {
  std::set<std::string> now = dead_nodes(*membership.view());
  for (const auto& [node, keys] : keys_by_node) {
    if (now.contains(node) != dead.contains(node)) dirty.insert(keys.begin(), keys.end());
  }
  dead = std::move(now);
}

void ServiceProxy::State::remember_nodes(const std::string& key, const ServiceView& view) {
  for (const std::string& node : nodes_by_key[key]) keys_by_node[node].erase(key);
  std::set<std::string> used;
  for (const ServicePortView& port : view.ports) {
    for (const ServiceEndpoint& endpoint : port.endpoints) used.insert(endpoint.node);
  }
  for (const std::string& node : used) keys_by_node[node].insert(key);
  if (used.empty()) {
    nodes_by_key.erase(key);
  } else {
    nodes_by_key[key] = std::move(used);
  }
}

void ServiceProxy::State::remember_health(const std::string& key, const ServiceView& view) {
  const auto before = health.find(key);
  if (view.health_check_node_port == 0 || view.external_policy != TrafficPolicy::kLocal) {
    health_changed = health_changed || before != health.end();
    if (before != health.end()) health.erase(before);
    return;
  }
  const client::NamespacedName name = client::split_key(key);
  std::pair check(view.health_check_node_port,
                  HealthCheck{name.ns, name.name, count_local_endpoints(view, context)});
  if (before != health.end() && before->second == check) return;
  health[key] = std::move(check);
  health_changed = true;
}

void ServiceProxy::State::update(const std::string& key, Transaction& transaction) {
  const auto service = services.cache().get(key);
  ServiceView view;
  view.key = key;
  if (service) view = view_service(*service, slices.cache().by_index(kByService, key));
  remember_nodes(key, view);
  remember_health(key, view);
  if (const size_t needed = choices_needed(view, context); needed > context.prepared_choices) {
    context.prepared_choices = std::bit_ceil(needed);
    outgrown = true;
  }
  for (const Family family : {Family::kV4, Family::kV6}) {
    RuleTable& table = tables[static_cast<size_t>(family)];
    Fragment fragment = plan_service(view, context, family);
    transaction.stale.merge(stale_udp_flows(table.fragment_of(key), fragment));
    transaction.script += table.replace(key, std::move(fragment));
  }
}

// The tables anew from the caches: at start, when this node's pod CIDR changes, after a failure.
void ServiceProxy::State::rebuild() {
  tables.clear();
  tables.emplace_back("ip", options.table_prefix, service_table_base(Family::kV4, context));
  tables.emplace_back("ip6", options.table_prefix, service_table_base(Family::kV6, context));
  dirty.clear();
  Transaction ignored;
  for (const auto& [key, service] : services.cache().all()) update(key, ignored);
}

Transaction ServiceProxy::State::collect() {
  Transaction transaction;
  notice_deaths();
  if (!full) {
    for (const std::string& key : std::exchange(dirty, {})) update(key, transaction);
    if (!outgrown) return transaction;
  }
  do {
    outgrown = false;
    rebuild();
  } while (outgrown);
  transaction.script.clear();
  for (const RuleTable& table : tables) transaction.script += table.full_script();
  return transaction;
}

Task<void> ServiceProxy::State::sync_once() {
  Transaction transaction = collect();
  if (std::exchange(health_changed, false)) {
    std::map<uint16_t, HealthCheck> checks;
    for (const auto& [key, check] : health) checks.insert(check);
    co_await health_checks.set(std::move(checks));
  }
  if (transaction.script.empty()) co_return;
  const bool was_full = std::exchange(full, false);
  const auto applied =
      co_await workers.run([transaction = std::move(transaction)] { return apply_transaction(transaction); });
  if (applied) {
    retry = kFirstRetry;
    if (was_full) log.info("services are in place", {{"services", services.cache().size()}});
    co_return;
  }
  if (applied.error().code == Code::kCancelled) co_return;
  log.error("services could not be changed, all of them are written again",
            {{"error", applied.error()}, {"retry", format_duration(retry)}});
  full = true;
  static_cast<void>(co_await runtime::sleep_for(retry));
  retry = std::min(retry * 2, kLastRetry);
  wake.notify();
}

Task<void> ServiceProxy::State::run() {
  for (client::InformerBase* informer :
       std::initializer_list<client::InformerBase*>{&services, &slices, &nodes}) {
    if (!co_await informer->wait_synced()) co_return;
  }
  learn_pod_cidrs();
  scope.spawn(check_presence());
  wake.notify();
  while (co_await wake.wait()) co_await sync_once();
}

Task<void> ServiceProxy::State::check_presence() {
  while (co_await runtime::sleep_for(kPresenceCheck)) {
    const auto present = co_await workers.run([table = options.table_prefix]() -> Result<bool> {
      const auto output = run_command("nft", {"list", "chain", "ip", table, "refuse"}, "");
      return output && output->status == 0;
    });
    if (!present || *present) continue;
    log.warn("the table of Services has disappeared and is written again", {{"table", options.table_prefix}});
    full = true;
    wake.notify();
  }
}

ServiceProxy::ServiceProxy(ServiceProxyOptions options, client::Informers& informers,
                           gossip::Membership& membership, runtime::EventLoop& loop,
                           runtime::WorkerPool& workers, Logger log)
    : state_(std::make_unique<State>(std::move(options), informers, membership, loop, workers,
                                     std::move(log))) {}

ServiceProxy::~ServiceProxy() = default;

Task<Result<>> ServiceProxy::start() {
  // Adding a table that may be there shows at once whether rules can be changed at all.
  CO_TRY(co_await state_->workers.run(
      [table = state_->options.table_prefix] { return run_nft("add table ip " + table + "\n"); }));
  state_->follow();
  state_->scope.spawn(state_->run());
  co_return Result<>();
}

Task<void> ServiceProxy::stop() {
  state_->subscription.reset();
  state_->scope.cancel();
  co_await state_->scope.join();
  co_await state_->health_checks.stop();
}

}  // namespace cloudless::network
