// What the proxy needs to know of a Service and its endpoints, apart from how the API spells it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/address.hpp"

namespace cloudless::api::core::v1 {
struct Service;
}
namespace cloudless::api::discovery::v1 {
struct EndpointSlice;
}

namespace cloudless::network {

struct ServiceEndpoint {
  net::IpAddress address;
  uint16_t port = 0;
  std::string node;  // may be empty
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  friend bool operator==(const ServiceEndpoint&, const ServiceEndpoint&) = default;
};

struct ServicePortView {
  std::string name;
  std::string protocol;  // "tcp", "udp" or "sctp"
  uint16_t port = 0;
  uint16_t node_port = 0;  // 0: none
  std::vector<ServiceEndpoint> endpoints;
};

enum class TrafficPolicy { kCluster, kLocal };

struct ServiceView {
  std::string key;                          // "namespace/name"
  std::vector<net::IpAddress> cluster_ips;  // empty: headless
  std::vector<net::IpAddress> load_balancer_ips;
  std::vector<net::IpAddress> external_ips;
  std::vector<net::Prefix> source_ranges;  // of load balancer traffic; empty: all
  TrafficPolicy external_policy = TrafficPolicy::kCluster;
  TrafficPolicy internal_policy = TrafficPolicy::kCluster;
  std::optional<std::chrono::seconds> client_affinity;
  uint16_t health_check_node_port = 0;
  std::vector<ServicePortView> ports;
};

/// `slices`: those labelled with the Service's name. Services that no proxy serves (ExternalName, headless, a
/// service-proxy-name label of another) have no cluster IPs here and no ports.
ServiceView view_service(const api::core::v1::Service& service,
                         const std::vector<std::shared_ptr<const api::discovery::v1::EndpointSlice>>& slices);

}  // namespace cloudless::network
