// What a Service puts into the tables of one node. Pure.
//
// Rules are few and shared; what varies from Service to Service are elements of maps, so that one change is a
// handful of elements. For each family one table:
//
//   prerouting, output (nat) -> services
//     vips       { address . protocol . port : verdict }      cluster, load balancer and external addresses
//     nodeports  { protocol . port : verdict }                on the node's own addresses
//   verdicts
//     goto vip-all-3       dnat to  vip-all { address . protocol . port . random of 3 : endpoint . port }
//     goto vip-local-2     the same among this node's endpoints (vip-local)
//     goto vip-ext-3       from outside, policy Cluster: mark for masquerade, then vip-all-3
//     goto vip-extlocal-3-2  from outside, policy Local: pods and processes of this node as vip-all-3,
//                            the others to vip-local-2 with their source kept; none here: drop
//     goto aff-<id>...     session affinity: a set of clients for each endpoint, with a timeout
//     goto fw-<id>...      loadBalancerSourceRanges before any of these
//   np-...  the same for node ports, keyed without the address
//   input, forward, output (filter)
//     no-endpoints, no-endpoints-np   reject: a reset for TCP, port unreachable for others
//     service-ips                     a port that the Service does not have: rejected
//   postrouting (nat): the mark, and pods that reach themselves (hairpin), are masqueraded
//
// The random index in the key of a map is what makes chains independent of Services: one exists for each
// *number* of endpoints. They are part of the base, up to NodeContext::prepared_choices: nft cannot add a
// rule that looks into such a map to a table that is there already (1.0.6 fails to read back the map's type).
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "network/rule_table.hpp"
#include "network/service_view.hpp"

namespace cloudless::network {

enum class Family { kV4, kV6 };

/// The packet mark that asks for masquerading: kube-proxy's bit.
inline constexpr uint32_t kMasqueradeMark = 0x4000;
/// Endpoints of one port beyond this are not used.
inline constexpr size_t kMaxEndpoints = 1024;
/// For how many endpoints of one port there are chains at first.
inline constexpr size_t kFirstChoices = 16;

struct NodeContext {
  std::string node_name;
  std::vector<net::Prefix> pod_cidrs;      // this node's own
  std::vector<net::Prefix> cluster_cidrs;  // all nodes'
  std::vector<net::Prefix> service_cidrs;
  std::vector<net::Prefix> node_port_addresses;  // empty: all
  size_t prepared_choices = kFirstChoices;
  /// True for nodes whose endpoints must not be used.
  std::function<bool(const std::string& node)> is_dead = [](const std::string&) { return false; };
};

/// The part of the table that does not depend on Services.
std::string service_table_base(Family family, const NodeContext& node);

/// What the Service contributes in that family; empty where it has nothing to serve there. Needs
/// node.prepared_choices >= choices_needed().
Fragment plan_service(const ServiceView& service, const NodeContext& node, Family family);

/// The prepared_choices that the Service needs.
size_t choices_needed(const ServiceView& service, const NodeContext& node);

/// A UDP flow that connection tracking would keep sending where it no longer belongs.
struct StaleFlow {
  std::string vip;  // empty: a node port
  uint16_t port = 0;
  std::string endpoint;  // empty: whatever it was sent to, as there was no endpoint
  friend auto operator<=>(const StaleFlow&, const StaleFlow&) = default;
};

/// The UDP flows to forget when a Service's fragment becomes another one.
std::set<StaleFlow> stale_udp_flows(const Fragment& before, const Fragment& after);

/// Of the endpoints that this node would use for policy Local: how many there are.
size_t count_local_endpoints(const ServiceView& service, const NodeContext& node);

}  // namespace cloudless::network
