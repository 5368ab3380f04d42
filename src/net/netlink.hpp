// Route netlink (rtnetlink(7)): links, addresses, routes, rules, neighbours and forwarding entries, as plain
// values. Netlink does request and answer, blocking, within microseconds; NetlinkMonitor tells of changes on
// a loop.
//
// "ensure" and "put" are idempotent: what is there already is success; removing what is not there is, too.
// A Netlink stays in the namespace where it was opened. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "net/descriptor.hpp"
#include "net/raw_socket.hpp"

namespace cloudless::net {

struct Link {
  uint32_t index = 0;
  std::string name;
  std::string kind;    // "veth", "bridge", "vxlan", ...; empty for hardware
  uint32_t flags = 0;  // IFF_*
  uint32_t mtu = 0;
  uint32_t master = 0;  // index of the bridge, 0 for none
  uint32_t peer = 0;    // veth: the other end's index, in its namespace
  MacAddress mac{};
  std::string alias;
  std::optional<uint32_t> vxlan_id;

  bool up() const;
  bool running() const;
  bool loopback() const;
};

struct InterfaceAddress {
  uint32_t interface_index = 0;
  Prefix prefix;       // the address itself with its network's length
  uint8_t scope = 0;   // RT_SCOPE_*
  uint32_t flags = 0;  // IFA_F_*
  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

struct Route {
  Prefix destination;                // length 0: default
  std::optional<IpAddress> gateway;  // absent: on link
  uint32_t interface_index = 0;
  std::optional<IpAddress> source;  // preferred source
  uint32_t table = 254;             // RT_TABLE_MAIN
  uint8_t protocol = 4;             // RTPROT_STATIC
  uint8_t scope = 0;                // RT_SCOPE_UNIVERSE
  uint8_t type = 1;                 // RTN_UNICAST; RTN_BLACKHOLE is 6
  uint32_t priority = 0;            // metric
  bool on_link = false;             // RTNH_F_ONLINK: the gateway need not be in a connected network
  uint32_t mtu = 0;                 // 0: the interface's
  friend bool operator==(const Route&, const Route&) = default;
};

/// A neighbour (ARP, NDP) or, with family bridge, a forwarding entry (`bridge fdb`).
struct Neighbour {
  uint32_t interface_index = 0;
  IpAddress address;  // for a forwarding entry: the remote VTEP
  MacAddress mac{};
  uint16_t state = 0x80;  // NUD_PERMANENT
  bool forwarding = false;
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

struct Rule {
  uint32_t priority = 0;
  uint32_t table = 254;
  std::optional<Prefix> from;
  std::optional<Prefix> to;
  uint32_t mark = 0;
  uint32_t mask = 0;
  bool v6 = false;
  friend bool operator==(const Rule&, const Rule&) = default;
};

struct VxlanOptions {
  std::string name;
  uint32_t id = 1;
  uint16_t port = 8472;
  uint32_t underlay_index = 0;  // 0: by route
  IpAddress local;
  uint32_t mtu = 0;  // 0: the kernel's choice
  MacAddress mac{};  // zero: the kernel's choice
  bool learning = false;
};

class Netlink {
 public:
  /// In the calling thread's namespace.
  static Result<Netlink> open();
  /// In the namespace at `path`.
  static Result<Netlink> open_in(const std::string& path);
  Netlink(Netlink&&) noexcept;
  Netlink& operator=(Netlink&&) noexcept;
  ~Netlink();

  Result<std::vector<Link>> links();
  /// kNotFound.
  Result<Link> link(const std::string& name);
  Result<Link> link(uint32_t index);
  /// kAlreadyExists. The peer is made in the namespace at `peer_netns` (empty: this one).
  Result<> add_veth(const std::string& name, const std::string& peer, uint32_t mtu,
                    const std::string& peer_netns = {}, const MacAddress& mac = {},
                    const MacAddress& peer_mac = {});
  Result<> add_bridge(const std::string& name, uint32_t mtu = 0);
  Result<> add_vxlan(const VxlanOptions& options);
  Result<> add_dummy(const std::string& name);
  Result<> delete_link(uint32_t index);
  enum class Admin { kUp, kDown };
  Result<> set_admin(uint32_t index, Admin state);
  /// `master` 0: leaves its bridge.
  Result<> set_master(uint32_t index, uint32_t master);
  Result<> set_mtu(uint32_t index, uint32_t mtu);
  Result<> set_mac(uint32_t index, const MacAddress& mac);
  Result<> rename(uint32_t index, const std::string& name);
  Result<> set_alias(uint32_t index, const std::string& alias);
  /// Moves the link into the namespace at `path`.
  Result<> set_netns(uint32_t index, const std::string& path);
  /// Hairpin mode of a bridge port.
  enum class Hairpin { kOff, kOn };
  Result<> set_hairpin(uint32_t index, Hairpin mode);

  Result<std::vector<InterfaceAddress>> addresses();
  Result<> ensure_address(const InterfaceAddress& address);
  Result<> remove_address(const InterfaceAddress& address);

  /// Of all tables, both families.
  Result<std::vector<Route>> routes();
  /// Adds it, or replaces the one to the same destination, table and metric.
  Result<> put_route(const Route& route);
  Result<> remove_route(const Route& route);
  /// The route that the kernel takes to `destination`. kUnavailable where there is none.
  Result<Route> route_to(const IpAddress& destination);

  Result<std::vector<Neighbour>> neighbours();
  Result<std::vector<Neighbour>> forwarding_entries();
  Result<> put_neighbour(const Neighbour& neighbour);
  Result<> remove_neighbour(const Neighbour& neighbour);

  Result<std::vector<Rule>> rules();
  Result<> ensure_rule(const Rule& rule);
  Result<> remove_rule(const Rule& rule);

 private:
  struct State;
  explicit Netlink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// What has changed: look again at what it names. All are set where the kernel dropped messages.
struct NetlinkChanges {
  bool links = false;
  bool addresses = false;
  bool routes = false;
  bool neighbours = false;
};

/// Tells of changes in the namespace where it was opened. Changes that come together are told together.
class NetlinkMonitor {
 public:
  static Result<NetlinkMonitor> open(runtime::EventLoop& loop, NetlinkChanges interest);
  runtime::Task<Result<NetlinkChanges>> next();
  void abort() { descriptor_.abort(); }

 private:
  explicit NetlinkMonitor(Descriptor descriptor);
  Descriptor descriptor_;
};

}  // namespace cloudless::net
