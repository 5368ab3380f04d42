// Node IPAM: gives every node a part of the cluster's pod network (upstream: pkg/controller/nodeipam,
// RangeAllocator). The lowest free part is taken, so a cluster's CIDRs are the same however often it is
// asked.
#pragma once

#include "api/core_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"
#include "net/address.hpp"

namespace cloudless::controllers {

struct NodeIpamOptions {
  std::vector<net::Prefix> cluster_cidrs;  // one, or one of each family
  int node_mask_v4 = 24;
  int node_mask_v6 = 64;
};

/// The part number `index` of `cluster` in pieces of `mask` bits.
net::Prefix nth_subnet(const net::Prefix& cluster, int mask, uint32_t index);

/// `key`: the node.
Plan plan_node_cidr(const client::ObjectCache<api::core::v1::Node>& nodes, const NodeIpamOptions& options,
                    const std::string& key);
ControllerPtr make_node_ipam_controller(const Deps& deps, NodeIpamOptions options);

}  // namespace cloudless::controllers
