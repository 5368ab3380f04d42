#include "lb/election.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace cloudless::lb {

namespace {

const AddressPool* pool_of(const ElectionView& view, const net::IpAddress& ip) {
  const auto pool =
      std::ranges::find_if(view.pools, [&](const AddressPool& candidate) { return candidate.contains(ip); });
  return pool == view.pools.end() ? nullptr : &*pool;
}

bool has_live_endpoint(const ElectionView& view, const AnnouncedService& service, const std::string& node) {
  return service.endpoint_nodes.contains(node) && !view.members->is_dead(node);
}

bool may_serve(const ElectionView& view, const AnnouncedService& service, const std::string& node) {
  if (service.policy == ExternalPolicy::kLocal) return has_live_endpoint(view, service, node);
  return std::ranges::any_of(service.endpoint_nodes, [&](const std::string& other) {
    return other.empty() || has_live_endpoint(view, service, other);
  });
}

// Where advertisements let the node announce; nothing where none does.
std::optional<std::set<std::string>> interfaces_for(const std::vector<const L2Advertisement*>& advertisements,
                                                    const CandidateNode& node) {
  std::optional<std::set<std::string>> interfaces;
  for (const L2Advertisement* advertisement : advertisements) {
    if (!advertisement->allows_node(node.labels)) continue;
    if (advertisement->interfaces.empty()) return std::set<std::string>();
    if (!interfaces) interfaces.emplace();
    interfaces->insert(advertisement->interfaces.begin(), advertisement->interfaces.end());
  }
  return interfaces;
}

}  // namespace

std::vector<Candidate> candidates(const ElectionView& view, const AnnouncedService& service,
                                  const net::IpAddress& ip) {
  const AddressPool* pool = pool_of(view, ip);
  if (!pool) return {};
  std::vector<const L2Advertisement*> advertisements;
  for (const L2Advertisement& advertisement : view.advertisements) {
    if (advertisement.covers(*pool)) advertisements.push_back(&advertisement);
  }
  std::vector<Candidate> found;
  for (const CandidateNode& node : view.nodes) {
    if (node.excluded || !view.members->is_alive(node.name) || !may_serve(view, service, node.name)) continue;
    if (auto interfaces = interfaces_for(advertisements, node))
      found.push_back({node.name, std::move(*interfaces)});
  }
  return found;
}

std::optional<Candidate> elect(const std::vector<Candidate>& candidates, const net::IpAddress& ip) {
  const auto weight = [&](const Candidate& candidate) {
    return std::pair(sha256(candidate.node + "#" + ip.to_string()), candidate.node);
  };
  const auto winner = std::ranges::min_element(candidates, {}, weight);
  return winner == candidates.end() ? std::nullopt : std::optional(*winner);
}

std::map<net::IpAddress, Announcement> plan_announcements(const ElectionView& view,
                                                          const std::vector<AnnouncedService>& services,
                                                          const std::string& self) {
  std::map<net::IpAddress, Announcement> announcements;
  for (const AnnouncedService& service : services) {
    for (const net::IpAddress& ip : service.ips) {
      const auto winner = elect(candidates(view, service, ip), ip);
      if (!winner || winner->node != self) continue;
      Announcement& announcement = announcements[ip];
      announcement.interfaces = winner->interfaces;
      announcement.services.insert(service.key);
    }
  }
  return announcements;
}

}  // namespace cloudless::lb
