#include "network/route_plan.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace cloudless::network {

namespace {

constexpr uint8_t kUnreachable = 7;  // RTN_UNREACHABLE
/// After the pods' own routes and whatever an administrator set for the same network.
constexpr uint32_t kUnreachableMetric = 4096;
constexpr uint32_t kDefaultMetricV6 = 1024;  // IP6_RT_PRIO_USER

std::optional<net::IpAddress> internal_ip(const NodeAddressing& node, bool v4) {
  for (const net::IpAddress& address : node.internal_ips) {
    if (address.is_v4() == v4) return address;
  }
  return std::nullopt;
}

// The interface whose network has `address`.
std::optional<uint32_t> link_to(const Underlay& underlay, const net::IpAddress& address) {
  for (const net::InterfaceAddress& own : underlay.addresses) {
    if (own.interface_index == underlay.loopback_index || own.interface_index == underlay.vxlan_index)
      continue;
    if (own.prefix.length < own.prefix.address.bits() && own.prefix.contains(address))
      return own.interface_index;
  }
  return std::nullopt;
}

net::Route our_route(const net::Prefix& destination, uint32_t interface_index) {
  net::Route route;
  route.destination = destination.masked();
  route.interface_index = interface_index;
  route.protocol = kRouteProtocol;
  // What the kernel makes of 0 for IPv6; said here, so that our routes are recognized when read back.
  if (destination.address.is_v6()) route.priority = kDefaultMetricV6;
  return route;
}

class Planner {
 public:
  Planner(const NetworkOptions& options, const Underlay& underlay) : options_(options), underlay_(underlay) {}

  void plan_self(const NodeAddressing& self) {
    if (!self.internal_ips.empty()) tunnel_over_v4_ = self.internal_ips.front().is_v4();
    for (const net::Prefix& cidr : self.pod_cidrs) {
      net::Route route = our_route(cidr, cidr.address.is_v4() ? 0 : underlay_.loopback_index);
      route.type = kUnreachable;
      route.priority = kUnreachableMetric;
      plan_.routes.push_back(std::move(route));
    }
    for (const net::Prefix& cidr : options_.service_cidrs) {
      const auto source = internal_ip(self, cidr.address.is_v4());
      if (!source) continue;
      net::Route route = our_route(cidr, underlay_.loopback_index);
      route.source = *source;
      plan_.routes.push_back(std::move(route));
    }
  }

  void plan_peer(const NodeAddressing& node) {
    for (const net::Prefix& cidr : node.pod_cidrs) {
      const auto via = internal_ip(node, cidr.address.is_v4());
      if (!via) {
        plan_.problems.push_back(
            fmt::format("node {} has no InternalIP for its pods in {}", node.name, cidr.to_string()));
        continue;
      }
      const auto link = link_to(underlay_, *via);
      if (options_.encapsulation != Encapsulation::kVxlan && link) {
        plan_native(cidr, *via, *link);
      } else if (options_.encapsulation == Encapsulation::kNative) {
        plan_.problems.push_back(
            fmt::format("node {} ({}) is not on a network of this node; pods there are reached only if the "
                        "network's routers know {}",
                        node.name, via->to_string(), cidr.to_string()));
      } else {
        plan_vxlan(node, cidr);
      }
    }
  }

  RoutePlan finish(const NodeAddressing& self) {
    if (plan_.needs_vxlan && underlay_.vxlan_index != 0) {
      for (const net::Prefix& cidr : self.pod_cidrs) {
        const net::IpAddress first = cidr.masked().address;
        plan_.vxlan_addresses.push_back({underlay_.vxlan_index, {first, first.bits()}});
      }
    }
    return std::move(plan_);
  }

 private:
  void plan_native(const net::Prefix& cidr, const net::IpAddress& via, uint32_t link) {
    net::Route route = our_route(cidr, link);
    route.gateway = via;
    plan_.routes.push_back(std::move(route));
  }

  // Both families of pods go through the one tunnel, whose outer family is that of our first InternalIP.
  void plan_vxlan(const NodeAddressing& node, const net::Prefix& cidr) {
    const auto vtep = internal_ip(node, tunnel_over_v4_);
    if (!vtep) {
      plan_.problems.push_back(fmt::format("node {} has no InternalIP of the tunnel's family", node.name));
      return;
    }
    plan_.needs_vxlan = true;
    if (underlay_.vxlan_index == 0) return;
    const net::IpAddress gateway = cidr.masked().address;
    net::Route route = our_route(cidr, underlay_.vxlan_index);
    route.gateway = gateway;
    route.on_link = true;
    plan_.routes.push_back(std::move(route));
    net::Neighbour neighbour;
    neighbour.interface_index = underlay_.vxlan_index;
    neighbour.address = gateway;
    neighbour.mac = vtep_mac(node.name);
    plan_.neighbours.push_back(neighbour);
    neighbour.address = *vtep;
    neighbour.forwarding = true;
    if (std::ranges::find(plan_.forwarding, neighbour) == plan_.forwarding.end())
      plan_.forwarding.push_back(neighbour);
  }

  const NetworkOptions& options_;
  const Underlay& underlay_;
  bool tunnel_over_v4_ = true;
  RoutePlan plan_;
};

}  // namespace

net::MacAddress vtep_mac(const std::string& node_name) {
  const std::string digest = sha256("vtep/" + node_name);
  net::MacAddress mac{};
  std::ranges::copy_n(digest.begin(), mac.size(), mac.begin());
  mac[0] = static_cast<uint8_t>((mac[0] & 0xfc) | 0x02);
  return mac;
}

RoutePlan plan_routes(const NetworkOptions& options, const std::vector<NodeAddressing>& nodes,
                      const Underlay& underlay) {
  Planner planner(options, underlay);
  NodeAddressing self{options.node_name, {}, {}};
  const auto own = std::ranges::find(nodes, options.node_name, &NodeAddressing::name);
  if (own != nodes.end()) self = *own;
  planner.plan_self(self);
  for (const NodeAddressing& node : nodes) {
    if (node.name != options.node_name) planner.plan_peer(node);
  }
  return planner.finish(self);
}

std::string masquerade_script(const NetworkOptions& options, const NodeAddressing& self) {
  const std::string table = options.table_prefix + "-masquerade";
  std::string script;
  for (const net::Prefix& cidr : self.pod_cidrs) {
    const bool v4 = cidr.address.is_v4();
    const std::string_view word = v4 ? "ip" : "ip6";
    std::string cluster = cidr.masked().to_string();
    for (const net::Prefix& range : options.cluster_cidrs) {
      if (range.address.is_v4() == v4) cluster = range.masked().to_string();
    }
    script += fmt::format(
        "add table {0} {1}\ndelete table {0} {1}\n"
        "table {0} {1} {{\nchain postrouting {{\ntype nat hook postrouting priority 110;\n"
        "{0} saddr {2} {0} daddr != {3} {0} daddr != {4} masquerade\n"
        // A process of this host has an address that a node behind VXLAN would answer around the tunnel.
        "oifname \"{5}\" {0} saddr != {3} masquerade\n}}\n}}\n",
        word, table, cidr.masked().to_string(), cluster, v4 ? "224.0.0.0/4" : "ff00::/8",
        options.vxlan_device);
  }
  return script;
}

}  // namespace cloudless::network
