// Addresses and families of Services: one range of each family that the cluster has, and what a Service's
// clusterIPs, ipFamilies and ipFamilyPolicy come to (kubernetes/pkg/registry/core/service/storage/alloc.go).
// Pure functions.
#pragma once

#include <boost/json/fwd.hpp>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/status.hpp"
#include "base/random.hpp"
#include "net/address.hpp"

namespace cloudless::apiserver {

/// A range that Services' addresses are of. The first address of the network, and in IPv4 its broadcast
/// address, are nobody's.
class ServiceRange {
 public:
  /// kInvalid for what is no CIDR, or has no room for Services.
  static Result<ServiceRange> parse(std::string_view cidr);

  bool is_v6() const { return prefix_.address.is_v6(); }
  /// "IPv4", "IPv6".
  std::string_view family() const { return is_v6() ? "IPv6" : "IPv4"; }
  bool contains(const net::IpAddress& address) const;
  /// How many addresses there are to give; of a large IPv6 range only the first kMaxServiceAddresses.
  uint64_t size() const;
  /// The `number`th of them, from 1. The first is the API server's by convention.
  net::IpAddress at(uint64_t number) const { return prefix_.address.plus(number); }
  std::string to_string() const { return prefix_.to_string(); }

 private:
  explicit ServiceRange(net::Prefix prefix) : prefix_(prefix) {}
  net::Prefix prefix_;
};

inline constexpr uint64_t kMaxServiceAddresses = uint64_t{1} << 20;

/// "10.96.0.0/12" or "10.96.0.0/12,fd00::/108": one range, or one of each family, the default one first.
Result<std::vector<ServiceRange>> parse_service_ranges(std::string_view cidrs);

using ServiceAddresses = std::set<net::IpAddress>;

/// What clusterIPs (all of them, without "None") the Service holds.
std::set<std::string> addresses_of_service(const boost::json::object& service);

/// Fills clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy of `service`; what `old_service` (null on
/// create) holds and is still wanted stays. 422 with upstream's words for what cannot be had, 500 where a
/// range is full.
ApiResult<> allocate_addresses(boost::json::object& service, const boost::json::object* old_service,
                               const std::vector<ServiceRange>& ranges, const ServiceAddresses& taken,
                               Random& random);

/// 422 about one field of a Service: "Invalid value: " and the message.
ApiStatus service_invalid(const boost::json::object& service, std::string field, std::string message);

}  // namespace cloudless::apiserver
