#include "network/network.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "api/core_v1.hpp"
#include "base/strings.hpp"
#include "client/informers.hpp"
#include "network/cni.hpp"
#include "network/command.hpp"
#include "network/route_plan.hpp"
#include "runtime/timer.hpp"

namespace cloudless::network {

namespace {

using api::core::v1::Node;
using runtime::Task;

constexpr Duration kFirstRetry = std::chrono::milliseconds(500);
constexpr Duration kLastRetry = std::chrono::seconds(30);
constexpr uint32_t kVxlanOverhead = 50;
constexpr uint32_t kVxlanOverheadV6 = 70;
constexpr uint32_t kDefaultMtu = 1500;

NodeAddressing addressing_of(const Node& node) {
  NodeAddressing addressing{node.metadata.name, {}, {}};
  std::vector<std::string> cidrs = node.spec.podCIDRs;
  if (cidrs.empty() && !node.spec.podCIDR.empty()) cidrs = {node.spec.podCIDR};
  for (const std::string& text : cidrs) {
    if (const auto cidr = net::Prefix::parse(text)) addressing.pod_cidrs.push_back(*cidr);
  }
  for (const auto& address : node.status.addresses) {
    if (address.type != "InternalIP") continue;
    if (const auto ip = net::IpAddress::parse(address.address)) addressing.internal_ips.push_back(*ip);
  }
  return addressing;
}

// Writes a sysctl unless it has the value already.
Result<> set_sysctl(const std::string& name, const std::string& value) {
  std::string path = "/proc/sys/" + name;
  std::ranges::replace(path, '.', '/');
  std::string present;
  std::getline(std::ifstream(path), present);
  if (trim(present) == value) return {};
  std::ofstream file(path);
  file << value << std::flush;
  if (file) return {};
  return fail(Code::kPermissionDenied,
              "{} is {} and cannot be set to {} here; set it on the host: sysctl -w {}={}", name,
              present.empty() ? "unreadable" : std::string(trim(present)), value, name, value);
}

bool has_v6(const std::vector<net::Prefix>& prefixes) {
  return std::ranges::any_of(prefixes, [](const net::Prefix& prefix) { return prefix.address.is_v6(); });
}

Result<> prepare_host(const NetworkOptions& options) {
  TRY(set_sysctl("net.ipv4.ip_forward", "1"));
  if (has_v6(options.cluster_cidrs)) TRY(set_sysctl("net.ipv6.conf.all.forwarding", "1"));
  std::error_code error;
  std::filesystem::path program = std::filesystem::read_symlink(options.program, error);
  if (error) program = options.program;
  return install_cni_plugin(options.cni_bin_dir, program.string());
}

Result<Underlay> read_underlay(net::Netlink& netlink, const NetworkOptions& options) {
  Underlay underlay;
  underlay.addresses = TRY(netlink.addresses());
  underlay.loopback_index = TRY(netlink.link("lo")).index;
  if (const auto vxlan = netlink.link(options.vxlan_device)) underlay.vxlan_index = vxlan->index;
  return underlay;
}

uint32_t underlay_mtu(net::Netlink& netlink, const Underlay& underlay, const NodeAddressing& self) {
  for (const net::InterfaceAddress& address : underlay.addresses) {
    if (std::ranges::find(self.internal_ips, address.prefix.address) == self.internal_ips.end()) continue;
    if (const auto link = netlink.link(address.interface_index)) return link->mtu;
  }
  return kDefaultMtu;
}

uint32_t tunnel_mtu(uint32_t underlay, const NodeAddressing& self) {
  const bool over_v6 = !self.internal_ips.empty() && self.internal_ips.front().is_v6();
  return underlay - (over_v6 ? kVxlanOverheadV6 : kVxlanOverhead);
}

Result<> make_vxlan(net::Netlink& netlink, const NetworkOptions& options, const NodeAddressing& self,
                    uint32_t mtu) {
  if (self.internal_ips.empty())
    return fail(Code::kInvalid, "node {} has no InternalIP to send VXLAN from", self.name);
  net::VxlanOptions vxlan;
  vxlan.name = options.vxlan_device;
  vxlan.id = options.vxlan_id;
  vxlan.port = options.vxlan_port;
  vxlan.local = self.internal_ips.front();
  vxlan.mtu = mtu;
  vxlan.mac = vtep_mac(self.name);
  const auto added = netlink.add_vxlan(vxlan);
  if (!added && added.error().code != Code::kAlreadyExists) return std::unexpected(added.error());
  return netlink.set_admin(TRY(netlink.link(options.vxlan_device)).index, net::Netlink::Admin::kUp);
}

template <class Entry>
bool contains(const std::vector<Entry>& entries, const Entry& wanted) {
  return std::ranges::find(entries, wanted) != entries.end();
}

bool same_route(const net::Route& a, const net::Route& b) {
  return a.destination == b.destination && a.gateway == b.gateway && a.interface_index == b.interface_index &&
         a.type == b.type && a.priority == b.priority;
}

Result<> apply_routes(net::Netlink& netlink, const RoutePlan& plan) {
  for (const net::Route& present : TRY(netlink.routes())) {
    if (present.protocol != kRouteProtocol) continue;
    const auto wanted = [&](const net::Route& route) {
      return route.destination == present.destination && route.priority == present.priority;
    };
    if (std::ranges::none_of(plan.routes, wanted)) TRY(netlink.remove_route(present));
  }
  const std::vector<net::Route> routes = TRY(netlink.routes());
  for (const net::Route& route : plan.routes) {
    const bool there =
        std::ranges::any_of(routes, [&](const net::Route& present) { return same_route(present, route); });
    if (!there) TRY(netlink.put_route(route));
  }
  return {};
}

Result<> apply_vxlan_entries(net::Netlink& netlink, const RoutePlan& plan, uint32_t device) {
  if (device == 0) return {};
  for (const net::InterfaceAddress& address : plan.vxlan_addresses) TRY(netlink.ensure_address(address));
  for (const net::Neighbour& present : TRY(netlink.forwarding_entries())) {
    if (present.interface_index == device && !contains(plan.forwarding, present))
      TRY(netlink.remove_neighbour(present));
  }
  for (const net::Neighbour& entry : plan.forwarding) TRY(netlink.put_neighbour(entry));
  for (const net::Neighbour& neighbour : plan.neighbours) TRY(netlink.put_neighbour(neighbour));
  return {};
}

struct Applied {
  uint32_t pod_mtu = kDefaultMtu;
  std::vector<std::string> problems;
};

Result<Applied> apply_network(const NetworkOptions& options, const std::vector<NodeAddressing>& nodes,
                              const NodeAddressing& self) {
  net::Netlink netlink = TRY(net::Netlink::open());
  Underlay underlay = TRY(read_underlay(netlink, options));
  const uint32_t mtu = underlay_mtu(netlink, underlay, self);
  RoutePlan plan = plan_routes(options, nodes, underlay);
  if (plan.needs_vxlan && underlay.vxlan_index == 0) {
    TRY(make_vxlan(netlink, options, self, tunnel_mtu(mtu, self)));
    underlay = TRY(read_underlay(netlink, options));
    plan = plan_routes(options, nodes, underlay);
  }
  // Addresses and neighbours first: a route through the tunnel is refused without them.
  TRY(apply_vxlan_entries(netlink, plan, underlay.vxlan_index));
  TRY(apply_routes(netlink, plan));
  const bool tunnelled = options.encapsulation == Encapsulation::kVxlan;
  const uint32_t own_mtu = tunnelled ? tunnel_mtu(mtu, self) : mtu;
  return Applied{options.mtu != 0 ? options.mtu : own_mtu, std::move(plan.problems)};
}

}  // namespace

struct Network::State {
  State(NetworkOptions opts, client::Informers& informers, gossip::Gossip* members,
        runtime::EventLoop& event_loop, runtime::WorkerPool& pool, Logger logger)
      : options(std::move(opts)),
        nodes(informers.of<Node>()),
        gossip(members),
        loop(event_loop),
        workers(pool),
        log(std::move(logger)),
        scope(event_loop, log) {}

  Task<void> run();
  Task<void> watch_links();
  Task<Result<>> sync();
  Task<Result<>> write_masquerade(const NodeAddressing& self);
  void tell_gossip(const std::vector<NodeAddressing>& all) const;
  void report(const Applied& applied);

  const NetworkOptions options;
  client::Informer<Node>& nodes;
  gossip::Gossip* const gossip;
  runtime::EventLoop& loop;
  runtime::WorkerPool& workers;
  Logger log;
  runtime::TaskScope scope;
  runtime::Signal wake;
  std::map<std::string, NodeAddressing> known;
  std::string masquerade;  // the script in force
  std::vector<std::string> problems;
};

void Network::State::tell_gossip(const std::vector<NodeAddressing>& all) const {
  if (!gossip) return;
  std::vector<gossip::Peer> peers;
  for (const NodeAddressing& node : all) {
    if (!node.internal_ips.empty())
      peers.push_back({node.name, {node.internal_ips.front(), options.gossip_port}});
  }
  gossip->set_peers(std::move(peers));
}

void Network::State::report(const Applied& applied) {
  if (applied.problems == problems) return;
  problems = applied.problems;
  for (const std::string& problem : problems)
    log.warn("pods of a node cannot be reached", {{"reason", problem}});
}

Task<Result<>> Network::State::write_masquerade(const NodeAddressing& self) {
  std::string script = masquerade_script(options, self);
  if (script == masquerade) co_return Result<>();
  CO_TRY(co_await workers.run([script] { return run_nft(script); }));
  masquerade = std::move(script);
  co_return Result<>();
}

Task<Result<>> Network::State::sync() {
  std::vector<NodeAddressing> all;
  for (const auto& [name, addressing] : known) all.push_back(addressing);
  tell_gossip(all);
  const auto self = known.find(options.node_name);
  if (self == known.end() || self->second.pod_cidrs.empty()) co_return Result<>();
  const Applied applied = CO_TRY(co_await workers.run(
      [opts = options, all, own = self->second] { return apply_network(opts, all, own); }));
  report(applied);
  CO_TRY(co_await write_masquerade(self->second));
  CniConfig config;
  config.pod_cidrs = self->second.pod_cidrs;
  config.state_dir = options.state_dir;
  config.mtu = applied.pod_mtu;
  config.hostport_table = options.table_prefix + "-hostports";
  // Last: from the moment that it is there, the runtime wires pods.
  co_return co_await workers.run(
      [directory = options.cni_config_dir, config] { return write_cni_config_list(directory, config); });
}

Task<void> Network::State::run() {
  if (!co_await nodes.wait_synced()) co_return;
  Duration retry = kFirstRetry;
  wake.notify();
  while (co_await wake.wait()) {
    const auto synced = co_await sync();
    if (synced) {
      retry = kFirstRetry;
      continue;
    }
    if (synced.error().code == Code::kCancelled) co_return;
    log.error("the pod network could not be set up",
              {{"error", synced.error()}, {"retry", format_duration(retry)}});
    if (!co_await runtime::sleep_for(retry)) co_return;
    retry = std::min(retry * 2, kLastRetry);
    wake.notify();
  }
}

// Interfaces that come and go take routes with them.
Task<void> Network::State::watch_links() {
  auto monitor = net::NetlinkMonitor::open(loop, {.links = true, .addresses = true});
  if (!monitor) {
    log.warn("changes of interfaces are not seen", {{"error", monitor.error()}});
    co_return;
  }
  while (co_await monitor->next()) wake.notify();
}

Network::Network(NetworkOptions options, client::Informers& informers, gossip::Gossip* gossip,
                 runtime::EventLoop& loop, runtime::WorkerPool& workers, Logger log)
    : state_(std::make_unique<State>(std::move(options), informers, gossip, loop, workers, std::move(log))) {}

Network::~Network() = default;

Task<Result<>> Network::start() {
  CO_TRY(co_await state_->workers.run([options = state_->options] { return prepare_host(options); }));
  state_->nodes.add_handler([state = state_.get()](const auto& before, const auto& now) {
    const std::string& name = (now ? *now : *before).metadata.name;
    if (!now) {
      state->known.erase(name);
    } else {
      NodeAddressing addressing = addressing_of(*now);
      NodeAddressing& slot = state->known[name];
      // Most changes of a Node are heartbeats.
      if (slot == addressing) return;
      slot = std::move(addressing);
    }
    state->wake.notify();
  });
  state_->scope.spawn(state_->run());
  state_->scope.spawn(state_->watch_links());
  co_return Result<>();
}

Task<void> Network::stop() {
  state_->scope.cancel();
  co_await state_->scope.join();
}

Result<> remove_network(const NetworkOptions& options) {
  Result<> last;
  const auto attempt = [&last](const Result<>& result) {
    if (!result) last = result;
  };
  for (const std::string_view suffix : {"", "-masquerade", "-hostports"}) {
    for (const std::string_view family : {"ip", "ip6"}) {
      attempt(run_nft(fmt::format("add table {0} {1}{2}\ndelete table {0} {1}{2}\n", family,
                                  options.table_prefix, suffix)));
    }
  }
  auto netlink = net::Netlink::open();
  if (!netlink) return std::unexpected(netlink.error());
  if (const auto routes = netlink->routes()) {
    for (const net::Route& route : *routes) {
      if (route.protocol == kRouteProtocol) attempt(netlink->remove_route(route));
    }
  }
  if (const auto vxlan = netlink->link(options.vxlan_device)) attempt(netlink->delete_link(vxlan->index));
  attempt(remove_cni_config_list(options.cni_config_dir));
  attempt(remove_cni_plugin(options.cni_bin_dir));
  std::error_code error;
  std::filesystem::remove_all(options.state_dir, error);
  if (error) attempt(std::unexpected(system_error(error.value(), "remove " + options.state_dir)));
  return last;
}

}  // namespace cloudless::network
