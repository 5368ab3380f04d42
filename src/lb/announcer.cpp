#include "lb/announcer.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <optional>

#include "lb/neighbour_wire.hpp"
#include "net/netlink.hpp"
#include "net/raw_socket.hpp"
#include "runtime/timer.hpp"

namespace cloudless::lb {

namespace {

using runtime::Task;

/// When a new address is told again after the first time. Switches and hosts that missed the first packet
/// (their port was just coming up, their queue was full) learn from one of these.
constexpr std::array<std::chrono::milliseconds, 5> kRepeats{
    std::chrono::milliseconds(100), std::chrono::milliseconds(400), std::chrono::milliseconds(1000),
    std::chrono::milliseconds(2000), std::chrono::milliseconds(4000)};
/// Interfaces in use at the most; a machine with more should name them in an L2Advertisement.
constexpr size_t kMaxInterfaces = 64;

constexpr net::MacAddress kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct Port {
  net::Link link;
  std::optional<net::PacketSocket> arp;
  std::optional<net::IcmpV6Socket> ndp;
  std::set<net::IpAddress> groups;  // joined

  void abort() {
    if (arp) arp->abort();
    if (ndp) ndp->abort();
  }
};
using PortPtr = std::shared_ptr<Port>;

}  // namespace

struct Announcer::State {
  State(std::vector<std::string> patterns, runtime::EventLoop& event_loop, Logger logger)
      : excluded(std::move(patterns)), loop(event_loop), log(std::move(logger)), scope(event_loop, log) {}

  bool eligible(const net::Link& link) const;
  Result<> follow_links();
  void open(const net::Link& link);
  Task<void> watch_links(net::NetlinkMonitor monitor);
  Task<void> answer_arp(PortPtr port);
  Task<void> answer_ndp(PortPtr port);
  void join_groups(Port& port) const;
  bool announces(const net::IpAddress& ip, const Port& port) const;
  void tell(const net::IpAddress& ip);
  Task<void> tell_repeatedly(std::vector<net::IpAddress> ips);
  void begin_telling(std::vector<net::IpAddress> ips);

  const std::vector<std::string> excluded;
  runtime::EventLoop& loop;
  Logger log;
  runtime::TaskScope scope;
  AnnouncedAddresses addresses;
  std::map<uint32_t, PortPtr> ports;  // by interface index
};

bool Announcer::State::eligible(const net::Link& link) const {
  if (!link.up() || !link.running() || link.loopback() || link.master != 0 || link.mac == net::MacAddress{})
    return false;
  return std::ranges::none_of(excluded, [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), link.name.c_str(), 0) == 0;
  });
}

bool Announcer::State::announces(const net::IpAddress& ip, const Port& port) const {
  const auto found = addresses.find(ip);
  return found != addresses.end() && (found->second.empty() || found->second.contains(port.link.name));
}

void Announcer::State::open(const net::Link& link) {
  const auto port = std::make_shared<Port>();
  port->link = link;
  auto arp = net::PacketSocket::open(loop, link.index, kArpEtherType, arp_request_filter());
  if (!arp) {
    log.warn("an interface cannot announce addresses", {{"interface", link.name}, {"error", arp.error()}});
    return;
  }
  port->arp.emplace(std::move(*arp));
  // Without IPv6 on the interface ARP works alone.
  if (auto ndp = net::IcmpV6Socket::open(loop, link.index, {kNeighbourSolicitation}))
    port->ndp.emplace(std::move(*ndp));
  ports[link.index] = port;
  join_groups(*port);
  scope.spawn(answer_arp(port));
  if (port->ndp) scope.spawn(answer_ndp(port));
  log.info("addresses are announced on an interface", {{"interface", link.name}});
}

Result<> Announcer::State::follow_links() {
  net::Netlink netlink = TRY(net::Netlink::open());
  std::map<uint32_t, net::Link> present;
  for (net::Link& link : TRY(netlink.links())) {
    if (eligible(link) && present.size() < kMaxInterfaces) present.emplace(link.index, std::move(link));
  }
  std::erase_if(ports, [&](const auto& entry) {
    const auto now = present.find(entry.first);
    const bool same = now != present.end() && now->second.mac == entry.second->link.mac &&
                      now->second.name == entry.second->link.name;
    if (!same) entry.second->abort();
    return !same;
  });
  bool any_new = false;
  for (const auto& [index, link] : present) {
    if (ports.contains(index)) continue;
    open(link);
    any_new = true;
  }
  if (any_new && !addresses.empty()) {
    std::vector<net::IpAddress> all;
    for (const auto& [ip, interfaces] : addresses) all.push_back(ip);
    begin_telling(std::move(all));
  }
  return {};
}

Task<void> Announcer::State::watch_links(net::NetlinkMonitor monitor) {
  while (co_await monitor.next()) {
    const auto followed = follow_links();
    if (!followed) log.warn("interfaces could not be read", {{"error", followed.error()}});
  }
}

Task<void> Announcer::State::answer_arp(PortPtr port) {
  for (;;) {
    const auto frame = co_await port->arp->receive();
    if (!frame) co_return;
    const auto request = parse_arp_request(*frame);
    if (!request || !announces(request->target_ip, *port)) continue;
    // Somebody's own announcement is no question.
    if (request->sender_ip == request->target_ip) continue;
    if (request->destination != kBroadcast && request->destination != port->link.mac) continue;
    static_cast<void>(port->arp->send(make_arp_reply(port->link.mac, *request)));
  }
}

Task<void> Announcer::State::answer_ndp(PortPtr port) {
  for (;;) {
    const auto message = co_await port->ndp->receive();
    if (!message) co_return;
    const auto target = parse_neighbour_solicitation(message->payload);
    if (!target || !announces(*target, *port)) continue;
    // Duplicate address detection asks from no address and is answered to everybody (RFC 4861, 7.2.4).
    const bool detection = message->peer.is_unspecified();
    net::IcmpV6Message answer;
    answer.peer = detection ? all_nodes_group() : message->peer;
    answer.payload =
        make_neighbour_advertisement(port->link.mac, *target, detection ? Solicited::kNo : Solicited::kYes);
    static_cast<void>(port->ndp->send(answer));
  }
}

void Announcer::State::join_groups(Port& port) const {
  if (!port.ndp) return;
  std::set<net::IpAddress> wanted;
  for (const auto& [ip, interfaces] : addresses) {
    if (ip.is_v6() && announces(ip, port)) wanted.insert(solicited_node_group(ip));
  }
  for (const net::IpAddress& group : port.groups) {
    if (!wanted.contains(group)) static_cast<void>(port.ndp->leave_group(group));
  }
  for (const net::IpAddress& group : wanted) {
    if (!port.groups.contains(group)) static_cast<void>(port.ndp->join_group(group));
  }
  port.groups = std::move(wanted);
}

void Announcer::State::tell(const net::IpAddress& ip) {
  for (const auto& [index, port] : ports) {
    if (!announces(ip, *port)) continue;
    if (ip.is_v4()) {
      for (const std::string& frame : make_gratuitous_arp(port->link.mac, ip))
        static_cast<void>(port->arp->send(frame));
    } else if (port->ndp) {
      net::IcmpV6Message message;
      message.peer = all_nodes_group();
      message.payload = make_neighbour_advertisement(port->link.mac, ip, Solicited::kNo);
      static_cast<void>(port->ndp->send(message));
    }
  }
}

Task<void> Announcer::State::tell_repeatedly(std::vector<net::IpAddress> ips) {
  for (const auto delay : kRepeats) {
    if (!co_await runtime::sleep_for(delay)) co_return;
    for (const net::IpAddress& ip : ips) tell(ip);
  }
}

void Announcer::State::begin_telling(std::vector<net::IpAddress> ips) {
  if (ips.empty()) return;
  for (const net::IpAddress& ip : ips) tell(ip);
  scope.spawn(tell_repeatedly(std::move(ips)));
}

Announcer::Announcer(std::vector<std::string> excluded, runtime::EventLoop& loop, Logger log)
    : state_(std::make_unique<State>(std::move(excluded), loop, std::move(log))) {}

Announcer::~Announcer() = default;

Task<Result<>> Announcer::start() {
  auto monitor = CO_TRY(net::NetlinkMonitor::open(state_->loop, {.links = true}));
  CO_TRY(state_->follow_links());
  state_->scope.spawn(state_->watch_links(std::move(monitor)));
  co_return Result<>();
}

Task<void> Announcer::stop() {
  state_->addresses.clear();
  state_->scope.cancel();
  co_await state_->scope.join();
  state_->ports.clear();
}

void Announcer::set(AnnouncedAddresses addresses) {
  if (addresses == state_->addresses) return;
  std::vector<net::IpAddress> fresh;
  for (const auto& [ip, interfaces] : addresses) {
    const auto before = state_->addresses.find(ip);
    if (before == state_->addresses.end() || before->second != interfaces) fresh.push_back(ip);
  }
  state_->addresses = std::move(addresses);
  for (const auto& [index, port] : state_->ports) state_->join_groups(*port);
  state_->begin_telling(std::move(fresh));
}

void Announcer::repeat() {
  std::vector<net::IpAddress> all;
  for (const auto& [ip, interfaces] : state_->addresses) all.push_back(ip);
  state_->begin_telling(std::move(all));
}

std::vector<std::string> Announcer::interfaces() const {
  std::vector<std::string> names;
  for (const auto& [index, port] : state_->ports) names.push_back(port->link.name);
  return names;
}

}  // namespace cloudless::lb
