#include "net/netlink.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "net/netlink_message.hpp"
#include "net/netns.hpp"

namespace cloudless::net {

using runtime::Task;

struct Netlink::State {
  NetlinkSocket socket;
};

namespace {

constexpr MacAddress kNoMac{};

uint8_t family_of(const IpAddress& address) { return address.is_v6() ? AF_INET6 : AF_INET; }

// What is there already, or not there any more, is what was asked for.
Result<> unless(Result<> result, Code wanted) {
  if (!result && result.error().code == wanted) return {};
  return result;
}

Link parse_link(const nlmsghdr* message) {
  const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  const NetlinkAttributes attributes(message, sizeof(ifinfomsg));
  Link link;
  link.index = static_cast<uint32_t>(header->ifi_index);
  link.flags = header->ifi_flags;
  link.name = attributes.text(IFLA_IFNAME);
  link.mtu = attributes.u32(IFLA_MTU);
  link.master = attributes.u32(IFLA_MASTER);
  link.peer = attributes.u32(IFLA_LINK);
  link.mac = attributes.mac(IFLA_ADDRESS);
  link.alias = attributes.text(IFLA_IFALIAS);
  const NetlinkAttributes info(attributes.find(IFLA_LINKINFO));
  link.kind = info.text(IFLA_INFO_KIND);
  if (link.kind == "vxlan") link.vxlan_id = NetlinkAttributes(info.find(IFLA_INFO_DATA)).u32(IFLA_VXLAN_ID);
  return link;
}

InterfaceAddress parse_address(const nlmsghdr* message) {
  const auto* header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
  const NetlinkAttributes attributes(message, sizeof(ifaddrmsg));
  InterfaceAddress address;
  address.interface_index = header->ifa_index;
  // On a point-to-point link IFA_ADDRESS is the other end's.
  const auto local = attributes.address(IFA_LOCAL);
  address.prefix = {local ? *local : attributes.address(IFA_ADDRESS).value_or(IpAddress()),
                    header->ifa_prefixlen};
  address.scope = header->ifa_scope;
  address.flags = attributes.u32(IFA_FLAGS, header->ifa_flags);
  return address;
}

Route parse_route(const nlmsghdr* message) {
  const auto* header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const NetlinkAttributes attributes(message, sizeof(rtmsg));
  Route route;
  const IpAddress any = header->rtm_family == AF_INET6 ? IpAddress::any_v6() : IpAddress::any_v4();
  route.destination = {attributes.address(RTA_DST).value_or(any), header->rtm_dst_len};
  route.gateway = attributes.address(RTA_GATEWAY);
  route.interface_index = attributes.u32(RTA_OIF);
  route.source = attributes.address(RTA_PREFSRC);
  route.table = attributes.u32(RTA_TABLE, header->rtm_table);
  route.protocol = header->rtm_protocol;
  route.scope = header->rtm_scope;
  route.type = header->rtm_type;
  route.priority = attributes.u32(RTA_PRIORITY);
  route.on_link = (header->rtm_flags & RTNH_F_ONLINK) != 0;
  route.mtu = NetlinkAttributes(attributes.find(RTA_METRICS)).u32(RTAX_MTU);
  return route;
}

Neighbour parse_neighbour(const nlmsghdr* message) {
  const auto* header = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(message));
  const NetlinkAttributes attributes(message, sizeof(ndmsg));
  Neighbour neighbour;
  neighbour.interface_index = static_cast<uint32_t>(header->ndm_ifindex);
  neighbour.address = attributes.address(NDA_DST).value_or(IpAddress());
  neighbour.mac = attributes.mac(NDA_LLADDR);
  neighbour.state = header->ndm_state;
  neighbour.forwarding = header->ndm_family == AF_BRIDGE;
  return neighbour;
}

Rule parse_rule(const nlmsghdr* message) {
  const auto* header = static_cast<const fib_rule_hdr*>(mnl_nlmsg_get_payload(message));
  const NetlinkAttributes attributes(message, sizeof(fib_rule_hdr));
  Rule rule;
  rule.priority = attributes.u32(FRA_PRIORITY);
  rule.table = attributes.u32(FRA_TABLE, header->table);
  if (const auto from = attributes.address(FRA_SRC)) rule.from = Prefix{*from, header->src_len};
  if (const auto to = attributes.address(FRA_DST)) rule.to = Prefix{*to, header->dst_len};
  rule.mark = attributes.u32(FRA_FWMARK);
  rule.mask = attributes.u32(FRA_FWMASK);
  rule.v6 = header->family == AF_INET6;
  return rule;
}

// A list that keeps changing while it is read is read again, so often at the most.
constexpr int kDumpAttempts = 5;

// Dumps one family of one kind of object.
template <class Header, class Value>
Result<std::vector<Value>> dump(NetlinkSocket& socket, uint16_t type, uint8_t family,
                                Value (*parse)(const nlmsghdr*), const std::string& doing) {
  for (int attempt = 1;; ++attempt) {
    NetlinkRequest request(type, NLM_F_DUMP);
    // The family is the first byte of every header.
    *reinterpret_cast<uint8_t*>(request.header<Header>()) = family;
    std::vector<Value> values;
    const auto collected =
        socket.collect(request, doing, [&](const nlmsghdr* message) { values.push_back(parse(message)); });
    if (collected) return values;
    if (collected.error().code != Code::kConflict || attempt == kDumpAttempts) {
      return std::unexpected(collected.error());
    }
  }
}

template <class Header, class Value>
Result<std::vector<Value>> dump_both(NetlinkSocket& socket, uint16_t type, Value (*parse)(const nlmsghdr*),
                                     const std::string& doing) {
  std::vector<Value> values = TRY((dump<Header, Value>(socket, type, AF_INET, parse, doing)));
  // A kernel without IPv6 has no such family.
  if (auto v6 = dump<Header, Value>(socket, type, AF_INET6, parse, doing)) {
    values.insert(values.end(), v6->begin(), v6->end());
  }
  return values;
}

NetlinkRequest new_link(const std::string& name, uint32_t mtu) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header<ifinfomsg>();
  request.put(IFLA_IFNAME, name);
  if (mtu > 0) request.put(IFLA_MTU, mtu);
  return request;
}

NetlinkRequest change_link(uint32_t index) {
  NetlinkRequest request(RTM_NEWLINK, 0);
  request.header<ifinfomsg>()->ifi_index = static_cast<int>(index);
  return request;
}

void put_route_attributes(NetlinkRequest& request, const Route& route) {
  auto* header = request.header<rtmsg>();
  header->rtm_family = family_of(route.destination.address);
  header->rtm_dst_len = static_cast<uint8_t>(route.destination.length);
  header->rtm_protocol = route.protocol;
  header->rtm_type = route.type;
  // A route without a gateway reaches only its link, for IPv4.
  const bool link_scope = route.scope == RT_SCOPE_UNIVERSE && !route.gateway && route.type == RTN_UNICAST &&
                          route.destination.address.is_v4();
  header->rtm_scope = link_scope ? static_cast<uint8_t>(RT_SCOPE_LINK) : route.scope;
  header->rtm_table =
      route.table < 256 ? static_cast<uint8_t>(route.table) : static_cast<uint8_t>(RT_TABLE_UNSPEC);
  if (route.on_link) header->rtm_flags |= RTNH_F_ONLINK;
  request.put(RTA_TABLE, route.table);
  if (route.destination.length > 0) request.put(RTA_DST, route.destination.masked().address);
  if (route.gateway) request.put(RTA_GATEWAY, *route.gateway);
  if (route.interface_index > 0) request.put(RTA_OIF, route.interface_index);
  if (route.source) request.put(RTA_PREFSRC, *route.source);
  if (route.priority > 0) request.put(RTA_PRIORITY, route.priority);
  if (route.mtu > 0) request.nest(RTA_METRICS, [&] { request.put(RTAX_MTU, route.mtu); });
}

void put_neighbour_attributes(NetlinkRequest& request, const Neighbour& neighbour) {
  auto* header = request.header<ndmsg>();
  header->ndm_family = neighbour.forwarding ? static_cast<uint8_t>(AF_BRIDGE) : family_of(neighbour.address);
  header->ndm_ifindex = static_cast<int>(neighbour.interface_index);
  header->ndm_state = neighbour.state;
  if (neighbour.forwarding) header->ndm_flags = NTF_SELF;
  request.put(NDA_DST, neighbour.address);
  if (neighbour.mac != kNoMac || neighbour.forwarding) request.put(NDA_LLADDR, neighbour.mac);
}

void put_rule_attributes(NetlinkRequest& request, const Rule& rule) {
  auto* header = request.header<fib_rule_hdr>();
  header->family = rule.v6 ? AF_INET6 : AF_INET;
  header->action = FR_ACT_TO_TBL;
  header->table = rule.table < 256 ? static_cast<uint8_t>(rule.table) : static_cast<uint8_t>(RT_TABLE_UNSPEC);
  header->src_len = static_cast<uint8_t>(rule.from ? rule.from->length : 0);
  header->dst_len = static_cast<uint8_t>(rule.to ? rule.to->length : 0);
  request.put(FRA_TABLE, rule.table);
  if (rule.priority > 0) request.put(FRA_PRIORITY, rule.priority);
  if (rule.from) request.put(FRA_SRC, rule.from->address);
  if (rule.to) request.put(FRA_DST, rule.to->address);
  if (rule.mark != 0 || rule.mask != 0) {
    request.put(FRA_FWMARK, rule.mark);
    request.put(FRA_FWMASK, rule.mask != 0 ? rule.mask : ~uint32_t{0});
  }
}

// A namespace's descriptor for the time of one request.
class NetnsHandle {
 public:
  explicit NetnsHandle(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~NetnsHandle() {
    if (fd_ >= 0) ::close(fd_);
  }
  NetnsHandle(const NetnsHandle&) = delete;
  NetnsHandle& operator=(const NetnsHandle&) = delete;
  bool valid() const { return fd_ >= 0; }
  uint32_t fd() const { return static_cast<uint32_t>(fd_); }

 private:
  int fd_;
};

}  // namespace

bool Link::up() const { return (flags & IFF_UP) != 0; }
bool Link::running() const { return (flags & IFF_RUNNING) != 0; }
bool Link::loopback() const { return (flags & IFF_LOOPBACK) != 0; }

Netlink::Netlink(std::unique_ptr<State> state) : state_(std::move(state)) {}
Netlink::Netlink(Netlink&&) noexcept = default;
Netlink& Netlink::operator=(Netlink&&) noexcept = default;
Netlink::~Netlink() = default;

Result<Netlink> Netlink::open() {
  return Netlink(std::make_unique<State>(State{TRY(NetlinkSocket::open())}));
}

Result<Netlink> Netlink::open_in(const std::string& path) {
  std::optional<Netlink> opened;
  TRY(run_in_netns(path, [&opened]() -> Result<> {
    opened = TRY(open());
    return {};
  }));
  return std::move(*opened);
}

Result<std::vector<Link>> Netlink::links() {
  return dump<ifinfomsg>(state_->socket, RTM_GETLINK, AF_UNSPEC, parse_link, "list links");
}

Result<Link> Netlink::link(const std::string& name) {
  NetlinkRequest request(RTM_GETLINK, 0);
  request.header<ifinfomsg>();
  request.put(IFLA_IFNAME, name);
  Link link;
  const Result<> found = state_->socket.collect(request, "link " + name,
                                                [&](const nlmsghdr* message) { link = parse_link(message); });
  if (!found) return std::unexpected(found.error());
  return link;
}

Result<Link> Netlink::link(uint32_t index) {
  NetlinkRequest request(RTM_GETLINK, 0);
  request.header<ifinfomsg>()->ifi_index = static_cast<int>(index);
  Link link;
  const Result<> found = state_->socket.collect(request, fmt::format("link {}", index),
                                                [&](const nlmsghdr* message) { link = parse_link(message); });
  if (!found) return std::unexpected(found.error());
  return link;
}

Result<> Netlink::add_veth(const std::string& name, const std::string& peer, uint32_t mtu,
                           const std::string& peer_netns, const MacAddress& mac, const MacAddress& peer_mac) {
  const NetnsHandle netns(peer_netns.empty() ? "/proc/thread-self/ns/net" : peer_netns);
  if (!netns.valid()) return std::unexpected(system_error(errno, "open network namespace " + peer_netns));
  NetlinkRequest request = new_link(name, mtu);
  if (mac != kNoMac) request.put(IFLA_ADDRESS, mac);
  request.nest(IFLA_LINKINFO, [&] {
    request.put(IFLA_INFO_KIND, std::string("veth"));
    request.nest(IFLA_INFO_DATA, [&] {
      request.nest(VETH_INFO_PEER, [&] {
        request.header<ifinfomsg>();
        request.put(IFLA_IFNAME, peer);
        if (mtu > 0) request.put(IFLA_MTU, mtu);
        if (peer_mac != kNoMac) request.put(IFLA_ADDRESS, peer_mac);
        if (!peer_netns.empty()) request.put(IFLA_NET_NS_FD, netns.fd());
      });
    });
  });
  return state_->socket.acknowledge(request, "add veth " + name);
}

Result<> Netlink::add_bridge(const std::string& name, uint32_t mtu) {
  NetlinkRequest request = new_link(name, mtu);
  request.nest(IFLA_LINKINFO, [&] { request.put(IFLA_INFO_KIND, std::string("bridge")); });
  return state_->socket.acknowledge(request, "add bridge " + name);
}

Result<> Netlink::add_dummy(const std::string& name) {
  NetlinkRequest request = new_link(name, 0);
  request.nest(IFLA_LINKINFO, [&] { request.put(IFLA_INFO_KIND, std::string("dummy")); });
  return state_->socket.acknowledge(request, "add dummy " + name);
}

Result<> Netlink::add_vxlan(const VxlanOptions& options) {
  NetlinkRequest request = new_link(options.name, options.mtu);
  if (options.mac != kNoMac) request.put(IFLA_ADDRESS, options.mac);
  request.nest(IFLA_LINKINFO, [&] {
    request.put(IFLA_INFO_KIND, std::string("vxlan"));
    request.nest(IFLA_INFO_DATA, [&] {
      request.put(IFLA_VXLAN_ID, options.id);
      request.put16(IFLA_VXLAN_PORT, htons(options.port));
      request.put8(IFLA_VXLAN_LEARNING, options.learning ? 1 : 0);
      if (options.underlay_index > 0) request.put(IFLA_VXLAN_LINK, options.underlay_index);
      if (!options.local.is_unspecified()) {
        request.put(options.local.is_v6() ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, options.local);
      }
    });
  });
  return state_->socket.acknowledge(request, "add vxlan " + options.name);
}

Result<> Netlink::delete_link(uint32_t index) {
  NetlinkRequest request(RTM_DELLINK, 0);
  request.header<ifinfomsg>()->ifi_index = static_cast<int>(index);
  return unless(state_->socket.acknowledge(request, fmt::format("delete link {}", index)), Code::kNotFound);
}

Result<> Netlink::set_admin(uint32_t index, Admin state) {
  NetlinkRequest request(RTM_NEWLINK, 0);
  auto* header = request.header<ifinfomsg>();
  header->ifi_index = static_cast<int>(index);
  header->ifi_change = IFF_UP;
  header->ifi_flags = state == Admin::kUp ? static_cast<unsigned>(IFF_UP) : 0u;
  return state_->socket.acknowledge(
      request, fmt::format("set link {} {}", index, state == Admin::kUp ? "up" : "down"));
}

Result<> Netlink::set_master(uint32_t index, uint32_t master) {
  NetlinkRequest request = change_link(index);
  request.put(IFLA_MASTER, master);
  return state_->socket.acknowledge(request, fmt::format("set master of link {}", index));
}

Result<> Netlink::set_mtu(uint32_t index, uint32_t mtu) {
  NetlinkRequest request = change_link(index);
  request.put(IFLA_MTU, mtu);
  return state_->socket.acknowledge(request, fmt::format("set MTU of link {} to {}", index, mtu));
}

Result<> Netlink::set_mac(uint32_t index, const MacAddress& mac) {
  NetlinkRequest request = change_link(index);
  request.put(IFLA_ADDRESS, mac);
  return state_->socket.acknowledge(request, fmt::format("set address of link {}", index));
}

Result<> Netlink::rename(uint32_t index, const std::string& name) {
  NetlinkRequest request = change_link(index);
  request.put(IFLA_IFNAME, name);
  return state_->socket.acknowledge(request, fmt::format("rename link {} to {}", index, name));
}

Result<> Netlink::set_alias(uint32_t index, const std::string& alias) {
  NetlinkRequest request = change_link(index);
  request.put_bytes(IFLA_IFALIAS, alias);
  return state_->socket.acknowledge(request, fmt::format("set alias of link {}", index));
}

Result<> Netlink::set_netns(uint32_t index, const std::string& path) {
  const NetnsHandle netns(path);
  if (!netns.valid()) return std::unexpected(system_error(errno, "open network namespace " + path));
  NetlinkRequest request = change_link(index);
  request.put(IFLA_NET_NS_FD, netns.fd());
  return state_->socket.acknowledge(request, fmt::format("move link {} to {}", index, path));
}

Result<> Netlink::set_hairpin(uint32_t index, Hairpin mode) {
  NetlinkRequest request(RTM_SETLINK, 0);
  auto* header = request.header<ifinfomsg>();
  header->ifi_family = AF_BRIDGE;
  header->ifi_index = static_cast<int>(index);
  request.nest(IFLA_PROTINFO | NLA_F_NESTED,
               [&] { request.put8(IFLA_BRPORT_MODE, mode == Hairpin::kOn ? 1 : 0); });
  return state_->socket.acknowledge(request, fmt::format("set hairpin of link {}", index));
}

Result<std::vector<InterfaceAddress>> Netlink::addresses() {
  return dump_both<ifaddrmsg>(state_->socket, RTM_GETADDR, parse_address, "list addresses");
}

namespace {

void put_address_attributes(NetlinkRequest& request, const InterfaceAddress& address) {
  auto* header = request.header<ifaddrmsg>();
  header->ifa_family = family_of(address.prefix.address);
  header->ifa_prefixlen = static_cast<uint8_t>(address.prefix.length);
  header->ifa_scope = address.scope;
  header->ifa_index = address.interface_index;
  request.put(IFA_LOCAL, address.prefix.address);
  request.put(IFA_ADDRESS, address.prefix.address);
}

}  // namespace

Result<> Netlink::ensure_address(const InterfaceAddress& address) {
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  put_address_attributes(request, address);
  if (address.flags != 0) request.put(IFA_FLAGS, address.flags);
  return unless(state_->socket.acknowledge(request, "add address " + address.prefix.to_string()),
                Code::kAlreadyExists);
}

Result<> Netlink::remove_address(const InterfaceAddress& address) {
  NetlinkRequest request(RTM_DELADDR, 0);
  put_address_attributes(request, address);
  return unless(state_->socket.acknowledge(request, "remove address " + address.prefix.to_string()),
                Code::kNotFound);
}

Result<std::vector<Route>> Netlink::routes() {
  return dump_both<rtmsg>(state_->socket, RTM_GETROUTE, parse_route, "list routes");
}

Result<> Netlink::put_route(const Route& route) {
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  put_route_attributes(request, route);
  return state_->socket.acknowledge(request, "put route " + route.destination.to_string());
}

Result<> Netlink::remove_route(const Route& route) {
  NetlinkRequest request(RTM_DELROUTE, 0);
  put_route_attributes(request, route);
  return unless(state_->socket.acknowledge(request, "remove route " + route.destination.to_string()),
                Code::kNotFound);
}

Result<Route> Netlink::route_to(const IpAddress& destination) {
  NetlinkRequest request(RTM_GETROUTE, 0);
  auto* header = request.header<rtmsg>();
  header->rtm_family = family_of(destination);
  header->rtm_dst_len = static_cast<uint8_t>(destination.bits());
  request.put(RTA_DST, destination);
  Route route;
  const Result<> found =
      state_->socket.collect(request, "route to " + destination.to_string(),
                             [&](const nlmsghdr* message) { route = parse_route(message); });
  if (!found) return fail(Code::kUnavailable, "{}", found.error().message);
  return route;
}

Result<std::vector<Neighbour>> Netlink::neighbours() {
  return dump_both<ndmsg>(state_->socket, RTM_GETNEIGH, parse_neighbour, "list neighbours");
}

Result<std::vector<Neighbour>> Netlink::forwarding_entries() {
  return dump<ndmsg>(state_->socket, RTM_GETNEIGH, AF_BRIDGE, parse_neighbour, "list forwarding entries");
}

Result<> Netlink::put_neighbour(const Neighbour& neighbour) {
  // Several forwarding entries of the all-zero address each name a remote to flood to: those are appended.
  const bool flood = neighbour.forwarding && neighbour.mac == kNoMac;
  NetlinkRequest request(RTM_NEWNEIGH, NLM_F_CREATE | (flood ? NLM_F_APPEND : NLM_F_REPLACE));
  put_neighbour_attributes(request, neighbour);
  return unless(state_->socket.acknowledge(request, "put neighbour " + neighbour.address.to_string()),
                Code::kAlreadyExists);
}

Result<> Netlink::remove_neighbour(const Neighbour& neighbour) {
  NetlinkRequest request(RTM_DELNEIGH, 0);
  put_neighbour_attributes(request, neighbour);
  return unless(state_->socket.acknowledge(request, "remove neighbour " + neighbour.address.to_string()),
                Code::kNotFound);
}

Result<std::vector<Rule>> Netlink::rules() {
  return dump_both<fib_rule_hdr>(state_->socket, RTM_GETRULE, parse_rule, "list rules");
}

Result<> Netlink::ensure_rule(const Rule& rule) {
  NetlinkRequest request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
  put_rule_attributes(request, rule);
  return unless(state_->socket.acknowledge(request, fmt::format("add rule {}", rule.priority)),
                Code::kAlreadyExists);
}

Result<> Netlink::remove_rule(const Rule& rule) {
  NetlinkRequest request(RTM_DELRULE, 0);
  put_rule_attributes(request, rule);
  return unless(state_->socket.acknowledge(request, fmt::format("remove rule {}", rule.priority)),
                Code::kNotFound);
}

NetlinkMonitor::NetlinkMonitor(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

Result<NetlinkMonitor> NetlinkMonitor::open(runtime::EventLoop& loop, NetlinkChanges interest) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return std::unexpected(system_error(errno, "netlink socket"));
  Descriptor descriptor(loop, fd);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (interest.links) address.nl_groups |= RTMGRP_LINK;
  if (interest.addresses) address.nl_groups |= RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (interest.routes) address.nl_groups |= RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (interest.neighbours) address.nl_groups |= RTMGRP_NEIGH;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return std::unexpected(system_error(errno, "subscribe to netlink"));
  }
  return NetlinkMonitor(std::move(descriptor));
}

namespace {

void note(const nlmsghdr* message, NetlinkChanges& changes) {
  switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      changes.links = true;
      break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      changes.addresses = true;
      break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      changes.routes = true;
      break;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      changes.neighbours = true;
      break;
    default:
      break;
  }
}

}  // namespace

Task<Result<NetlinkChanges>> NetlinkMonitor::next() {
  NetlinkChanges changes;
  bool any = false;
  for (;;) {
    if (descriptor_.aborted()) co_return fail(Code::kUnavailable, "the monitor was closed");
    alignas(nlmsghdr) std::array<char, 32 * 1024> buffer;
    const ssize_t size = ::recv(descriptor_.fd(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == ENOBUFS) {
      // The kernel dropped messages: anything may have changed.
      co_return NetlinkChanges{true, true, true, true};
    }
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (any) co_return changes;
      CO_TRY(co_await descriptor_.readable());
    } else if (size < 0 && errno != EINTR) {
      co_return std::unexpected(system_error(errno, "netlink monitor"));
    } else if (size > 0) {
      int left = static_cast<int>(size);
      for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
           mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        note(message, changes);
        any = true;
      }
    }
  }
}

}  // namespace cloudless::net
