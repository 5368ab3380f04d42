// ServiceAllocator: cluster IPs and node ports of Services. What is taken is known by claims in the store: an
// IPAddress object per address (as upstream's, shown by `kubectl get ipaddresses`) and a key per node port.
// They are written in the same transaction as the Service, so nothing is given twice and nothing is lost by a
// crash.
//
// The functions that choose are pure; the class reads what is taken.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "apiserver/registry/list.hpp"
#include "apiserver/registry/service_addresses.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"

namespace cloudless::apiserver {

struct ServiceRanges {
  /// One range, or one of each family (service_addresses.hpp).
  std::string cidr = "10.96.0.0/12";
  uint16_t first_node_port = 30000;
  uint16_t last_node_port = 32767;
};

/// What is taken by all Services.
struct TakenByServices {
  ServiceAddresses addresses;
  std::set<uint16_t> node_ports;
};

/// What one Service holds.
struct ServiceHoldings {
  std::set<std::string> addresses;
  std::set<uint16_t> node_ports;
};
ServiceHoldings holdings_of(const boost::json::object& service);

/// Fills clusterIP(s), families and node ports of `service`; what `old_service` (null on create) holds and is
/// still wanted stays. 422 with upstream's words for what cannot be had, 500 where a range is full.
ApiResult<> allocate_service(boost::json::object& service, const boost::json::object* old_service,
                             const ServiceRanges& ranges, const TakenByServices& taken, Random& random);

class ServiceAllocator {
 public:
  /// `root`: of the store's keys.
  ServiceAllocator(ServiceRanges ranges, std::string root, Storage& storage, const Clock& clock,
                   Random& random)
      : ranges_(std::move(ranges)),
        root_(std::move(root)),
        storage_(storage),
        clock_(clock),
        random_(random) {}

  /// Allocates for `service` and returns the claims that its write has to make.
  runtime::Task<ApiResult<Claims>> allocate(boost::json::object& service,
                                            const boost::json::object* old_service);
  /// The claims to give up with a Service.
  Claims release(const boost::json::object& service) const;
  /// Makes claims and `services`, all that there are as of their revision, agree again: claims of Services
  /// that are gone are dropped, missing ones are made. Both are compared at one revision, so other servers
  /// may go on. Returns how many claims changed.
  runtime::Task<ApiResult<size_t>> repair(const ObjectList& services);

 private:
  std::string address_key(std::string_view address) const {
    return root_ + "/ipaddresses/" + std::string(address);
  }
  std::string port_key(uint16_t port) const;
  Claims::Take address_claim(std::string_view address, std::string_view namespace_,
                             std::string_view name) const;
  Claims claims(const ServiceHoldings& before, const ServiceHoldings& after, std::string_view namespace_,
                std::string_view name) const;
  runtime::Task<ApiResult<std::vector<std::string>>> keys_under(std::string prefix, uint64_t revision);
  runtime::Task<ApiResult<TakenByServices>> taken(uint64_t revision);

  const ServiceRanges ranges_;
  const std::string root_;
  Storage& storage_;
  const Clock& clock_;
  Random& random_;
};

}  // namespace cloudless::apiserver
