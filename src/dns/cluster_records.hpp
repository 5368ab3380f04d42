// The cluster's own zone and its reverse zones, by the Kubernetes DNS specification 1.1.0, with CoreDNS's
// names where it leaves a choice (a dashed address for an endpoint without a hostname, `pods insecure`).
// Pure.
//
//   SERVICE.NS.svc.DOMAIN                     A, AAAA: cluster addresses, or the ready endpoints of a
//   headless service _PORT._PROTO.SERVICE.NS.svc.DOMAIN        SRV HOSTNAME.SERVICE.NS.svc.DOMAIN A, AAAA: an
//   endpoint of a headless service SERVICE.NS.svc.DOMAIN                     CNAME: an ExternalName service
//   1-2-3-4.NS.pod.DOMAIN                     A: 1.2.3.4, computed
//   dns-version.DOMAIN                        TXT "1.1.0"
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/core_v1.hpp"
#include "api/discovery_v1.hpp"
#include "dns/zone.hpp"
#include "net/address.hpp"

namespace cloudless::dns {

/// CoreDNS's default; short, as endpoints come and go.
inline constexpr uint32_t kClusterTtl = 5;

/// The label by which an EndpointSlice names its Service.
inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

struct ClusterOptions {
  std::string domain = "cluster.local";
  net::IpAddress dns_address;                 // of the cluster's DNS service
  std::vector<net::Prefix> reverse_prefixes;  // service and pod networks
};

/// What the cluster's zones hold without any Service: the forward zone, which also computes the names of
/// pods, and the reverse zones, one per octet (or nibble) boundary that covers the prefixes.
Result<std::vector<std::shared_ptr<const Zone>>> cluster_zones(const ClusterOptions& options);

/// False for a node that the failure detector knows dead: its endpoints are left out.
using NodeAlive = std::function<bool(const std::string& node)>;

/// What one Service adds, reverse names included. `slices`: its own; they count where it is headless.
std::vector<Record> service_records(
    const Name& domain, const api::core::v1::Service& service,
    const std::vector<std::shared_ptr<const api::discovery::v1::EndpointSlice>>& slices,
    const NodeAlive& node_alive);

/// "1.2.0.192.in-addr.arpa." (RFC 1035 section 3.5), or under ip6.arpa (RFC 3596 section 2.5).
Name reverse_name(const net::IpAddress& address);
/// The apexes of the reverse zones that cover `prefix`.
std::vector<Name> reverse_apexes(const net::Prefix& prefix);

}  // namespace cloudless::dns
