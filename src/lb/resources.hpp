// The resources of metallb.io/v1beta1 as the load balancer reads them, and their definitions.
#pragma once

#include <boost/json/fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "client/resource.hpp"
#include "net/address.hpp"
#include "schema/selector.hpp"

namespace cloudless::lb {

/// Both ends included.
struct AddressRange {
  net::IpAddress first;
  net::IpAddress last;
  bool contains(const net::IpAddress& address) const {
    return address.is_v4() == first.is_v4() && first <= address && address <= last;
  }
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

/// "192.0.2.0/24", "192.0.2.10-192.0.2.20". kInvalid otherwise.
Result<AddressRange> parse_range(std::string_view text);

struct AddressPool {
  std::string name;
  schema::Labels labels;
  std::vector<AddressRange> ranges;
  bool auto_assign = true;
  bool avoid_buggy_ips = false;
  /// serviceAllocation: whom the pool is for. Without any, for everybody.
  bool pinned = false;
  int64_t priority = 0;  // 0: last
  std::set<std::string> namespaces;
  std::vector<schema::LabelSelector> namespace_selectors;
  std::vector<schema::LabelSelector> service_selectors;

  /// False too for addresses that end in .0 or .255 where the pool avoids them.
  bool contains(const net::IpAddress& address) const;
};

struct L2Advertisement {
  std::string name;
  std::vector<std::string> pools;
  std::vector<schema::LabelSelector> pool_selectors;
  std::vector<schema::LabelSelector> node_selectors;  // empty: all nodes
  std::set<std::string> interfaces;                   // empty: all

  bool covers(const AddressPool& pool) const;
  bool allows_node(const schema::Labels& labels) const;
};

Result<AddressPool> parse_pool(const boost::json::value& object);
Result<L2Advertisement> parse_l2_advertisement(const boost::json::value& object);

const client::Resource& address_pool_resource();
const client::Resource& l2_advertisement_resource();
const client::Resource& service_l2_status_resource();
const client::Resource& custom_resource_definition_resource();

/// The CustomResourceDefinitions of these three, as JSON objects by name.
std::vector<std::pair<std::string, std::string>> custom_resource_definitions();

}  // namespace cloudless::lb
