#include "controllers/node_ipam.hpp"

#include <boost/json.hpp>
#include <optional>
#include <set>

namespace cloudless::controllers {

namespace json = boost::json;
using api::core::v1::Node;

namespace {

int mask_of(const NodeIpamOptions& options, const net::Prefix& cluster) {
  return cluster.address.is_v4() ? options.node_mask_v4 : options.node_mask_v6;
}

std::optional<net::Prefix> lowest_free(const net::Prefix& cluster, int mask,
                                       const std::set<net::Prefix>& used) {
  constexpr int kMaxBits = 16;  // as many nodes as upstream allows in one range
  const int bits = std::min(mask - cluster.length, kMaxBits);
  if (bits < 0) return std::nullopt;
  for (uint32_t i = 0; i < (uint32_t{1} << bits); ++i) {
    const net::Prefix candidate = nth_subnet(cluster, mask, i);
    const auto overlaps = [&](const net::Prefix& other) { return candidate.overlaps(other); };
    if (std::ranges::none_of(used, overlaps)) return candidate;
  }
  return std::nullopt;
}

}  // namespace

net::Prefix nth_subnet(const net::Prefix& cluster, int mask, uint32_t index) {
  const net::Prefix base = cluster.masked();
  std::string bytes(base.address.bytes());
  // Adds the index at the last bit of the mask, from there to the left.
  uint64_t carry = uint64_t{index} << (7 - (mask - 1) % 8);
  for (int at = (mask - 1) / 8; at >= 0 && carry != 0; --at) {
    carry += static_cast<unsigned char>(bytes[static_cast<size_t>(at)]);
    bytes[static_cast<size_t>(at)] = static_cast<char>(carry & 0xff);
    carry >>= 8;
  }
  return {net::IpAddress::from_bytes(bytes), mask};
}

Plan plan_node_cidr(const client::ObjectCache<Node>& nodes, const NodeIpamOptions& options,
                    const std::string& key) {
  Plan plan;
  const auto node = nodes.get(key);
  if (!node || node->metadata.deletionTimestamp || !node->spec.podCIDR.empty()) return plan;
  std::set<net::Prefix> used;
  for (const auto& [name, other] : nodes.all()) {
    for (const std::string& text : other->spec.podCIDRs) {
      if (const auto prefix = net::Prefix::parse(text)) used.insert(*prefix);
    }
    if (const auto prefix = net::Prefix::parse(other->spec.podCIDR)) used.insert(*prefix);
  }
  json::array cidrs;
  for (const net::Prefix& cluster : options.cluster_cidrs) {
    const auto free = lowest_free(cluster, mask_of(options, cluster), used);
    if (!free) {
      plan.events.push_back({client::ref_to(*node), client::EventLevel::kWarning, "CIDRNotAvailable",
                             fmt::format("Node {} status is now: CIDRNotAvailable", key)});
      return plan;
    }
    cidrs.emplace_back(free->to_string());
  }
  if (cidrs.empty()) return plan;
  json::object spec{{"podCIDR", cidrs.front()}, {"podCIDRs", cidrs}};
  plan.actions.push_back(client::patch(*node, client::PatchType::kStrategicMerge,
                                       json::serialize(json::object{{"spec", std::move(spec)}})));
  return plan;
}

ControllerPtr make_node_ipam_controller(const Deps& deps, NodeIpamOptions options) {
  auto& nodes = deps.informers.of<Node>();
  const auto& cache = nodes.cache();
  // One worker: two nodes planned at once would see the same part free.
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "node-ipam-controller", .component = "cidrAllocator", .workers = 1},
      [&cache, options = std::move(options)](const std::string& key, const PlanContext&) {
        return plan_node_cidr(cache, options, key);
      });
  controller->reconciler().watch(nodes);
  return controller;
}

}  // namespace cloudless::controllers
