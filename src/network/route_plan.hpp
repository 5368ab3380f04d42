// Which routes, neighbours and forwarding entries bring this node's packets to the pods of the others. Pure.
//
//   a node on one of our links     10.244.1.0/24 via <its InternalIP> dev <link>
//   a node elsewhere (VXLAN)       10.244.1.0/24 via 10.244.1.0 dev cloudless-vx onlink
//                                  neighbour 10.244.1.0 -> MAC of that node's VTEP
//                                  forwarding entry MAC -> its InternalIP
//   our own pods                   unreachable 10.244.0.0/24, below the pods' own /32 routes: what is sent to
//                                  a pod that is gone ends here instead of at the default gateway
//   cluster IPs                    10.96.0.0/12 dev lo src <our InternalIP>, so that processes of the host
//                                  reach Services where there is no default route; nat output redirects them
//
// A VTEP's MAC is computed from the node's name, so no node has to publish it, and nothing is learned or
// flooded.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/netlink.hpp"
#include "network/network.hpp"

namespace cloudless::network {

struct NodeAddressing {
  std::string name;
  std::vector<net::Prefix> pod_cidrs;
  std::vector<net::IpAddress> internal_ips;
  friend bool operator==(const NodeAddressing&, const NodeAddressing&) = default;
};

/// What the kernel says about this machine.
struct Underlay {
  std::vector<net::InterfaceAddress> addresses;
  uint32_t loopback_index = 0;
  uint32_t vxlan_index = 0;  // 0: not there yet
};

struct RoutePlan {
  std::vector<net::Route> routes;
  std::vector<net::Neighbour> neighbours;
  std::vector<net::Neighbour> forwarding;
  /// Addresses of the VXLAN device; its presence is needed where there are any.
  std::vector<net::InterfaceAddress> vxlan_addresses;
  bool needs_vxlan = false;
  /// Nodes that cannot be reached, and why.
  std::vector<std::string> problems;
};

/// The protocol number of our routes, by which they are found again (/etc/iproute2/rt_protos has none there).
inline constexpr uint8_t kRouteProtocol = 0xc1;

net::MacAddress vtep_mac(const std::string& node_name);

RoutePlan plan_routes(const NetworkOptions& options, const std::vector<NodeAddressing>& nodes,
                      const Underlay& underlay);

/// The script of the table that masquerades what leaves the pod network.
std::string masquerade_script(const NetworkOptions& options, const NodeAddressing& self);

}  // namespace cloudless::network
