// Which node answers for an address. Pure, and computed by every node alone from the same facts: the members
// that gossip says are alive, the L2Advertisements, the nodes' labels, the Services' endpoints.
//
// Among the candidates the one whose hash with the address is smallest wins (rendezvous hashing): a node that
// goes moves only the addresses that it had, and all Services on one address have one announcer.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gossip/membership.hpp"
#include "lb/resources.hpp"

namespace cloudless::lb {

enum class ExternalPolicy { kCluster, kLocal };

/// A Service that has addresses.
struct AnnouncedService {
  std::string key;
  std::vector<net::IpAddress> ips;
  ExternalPolicy policy = ExternalPolicy::kCluster;
  /// Nodes with a ready endpoint of it; "" stands for an endpoint without a node.
  std::set<std::string> endpoint_nodes;
};

struct CandidateNode {
  std::string name;
  schema::Labels labels;
  /// Labelled node.kubernetes.io/exclude-from-external-load-balancers, or NetworkUnavailable.
  bool excluded = false;
};

struct ElectionView {
  std::vector<AddressPool> pools;
  std::vector<L2Advertisement> advertisements;
  std::vector<CandidateNode> nodes;
  const gossip::MembershipView* members = nullptr;
};

struct Candidate {
  std::string node;
  /// Where it may announce; empty: on all its interfaces.
  std::set<std::string> interfaces;
};

/// The nodes that may announce that address of the Service, by name.
std::vector<Candidate> candidates(const ElectionView& view, const AnnouncedService& service,
                                  const net::IpAddress& ip);

/// The winner among them.
std::optional<Candidate> elect(const std::vector<Candidate>& candidates, const net::IpAddress& ip);

struct Announcement {
  std::set<std::string> interfaces;  // empty: all
  std::set<std::string> services;    // whose address it is
  friend bool operator==(const Announcement&, const Announcement&) = default;
};

/// What `self` announces.
std::map<net::IpAddress, Announcement> plan_announcements(const ElectionView& view,
                                                          const std::vector<AnnouncedService>& services,
                                                          const std::string& self);

}  // namespace cloudless::lb
