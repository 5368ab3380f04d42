// Which Service has which addresses. Pure and deterministic: the same Services and pools give the same
// answer on every run, whatever order they came in.
//
// First every Service keeps what its status says it has, as far as the pools still allow it and no older
// Service holds it; then the others are served, oldest first. So an address never moves to a Service while
// another has it, and none is given twice unless both allow it (the same sharing key, other ports, and, with
// policy Local, the same pods).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "lb/resources.hpp"

namespace cloudless::api::core::v1 {
struct Service;
}

namespace cloudless::lb {

enum class FamilyPolicy { kSingleStack, kPreferDualStack, kRequireDualStack };

/// What a Service asks for.
struct AddressRequest {
  std::string key;  // "namespace/name"
  std::string ns;
  WallTime created;
  schema::Labels labels;
  std::vector<net::IpAddress> cluster_ips;
  FamilyPolicy family_policy = FamilyPolicy::kSingleStack;
  std::vector<net::IpAddress> desired_ips;
  std::string desired_pool;
  /// The request cannot be read: AllocationFailed with this.
  std::string malformed;
  std::string sharing_key;
  std::string backend_key;      // with policy Local: which pods
  std::set<std::string> ports;  // "TCP/80"
  std::vector<net::IpAddress> current_ips;
  std::string current_pool;  // the annotation ip-allocated-from-pool
};

/// `wanted_class`: as LoadBalancerOptions::load_balancer_class. Nothing where the Service is not ours to
/// serve.
std::optional<AddressRequest> request_of(const api::core::v1::Service& service,
                                         const std::string& wanted_class);

struct Allocation {
  std::vector<net::IpAddress> ips;  // empty: none
  std::string pool;
  /// Why there is none; what follows "Failed to allocate IP for ...: ".
  std::string failure;
  /// Why the current ones were taken away; empty where they were kept or there were none.
  std::string cleared;

  friend bool operator==(const Allocation&, const Allocation&) = default;
};

/// By the requests' keys. `namespace_labels`: of the requests' namespaces.
std::map<std::string, Allocation> plan_allocation(
    const std::vector<AddressRequest>& requests, const std::vector<AddressPool>& pools,
    const std::map<std::string, schema::Labels>& namespace_labels);

}  // namespace cloudless::lb
