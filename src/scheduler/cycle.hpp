// Cycle: the view of one pod to be placed on a snapshot: what is the same for all nodes, computed once
// (upstream's PreFilter and PreScore). Filters and scores read it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/meta_v1.hpp"
#include "scheduler/snapshot.hpp"

namespace cloudless::scheduler {

/// The volumes of the pod as far as they bind it to nodes.
struct VolumeNeeds {
  /// Why no node can do, in upstream's words; empty otherwise.
  std::string blocked;
  std::vector<api::core::v1::NodeSelector> affinities;  // each must match
};

/// A term of inter-pod affinity with its namespaces resolved.
struct AffinityTerm {
  api::meta::v1::LabelSelector selector;
  bool selects_nothing = false;  // no selector given
  std::vector<std::string> namespaces;
  bool all_namespaces = false;
  std::string topology_key;
  int32_t weight = 0;

  bool selects(const Pod& pod) const;
};

/// A topology spread constraint with the pods counted per domain.
struct Spread {
  int32_t max_skew = 1;
  std::string topology_key;
  api::meta::v1::LabelSelector selector;
  bool counts_self = false;
  std::map<std::string, int32_t> domains;  // eligible domains and their matching pods
  int32_t minimum = 0;                     // in the emptiest domain
};

struct Cycle {
  Cycle(const Snapshot& on, const Pod& placing, VolumeNeeds volume_needs);

  const Snapshot& snapshot;
  const Pod& pod;
  VolumeNeeds volumes;
  Amounts requests;
  Amounts requests_nonzero;
  std::vector<HostPort> host_ports;

  std::vector<Spread> hard_spreads;
  std::vector<Spread> soft_spreads;

  std::vector<AffinityTerm> affinity;
  std::vector<AffinityTerm> anti_affinity;
  /// Whether any pod matches the affinity terms; if none does, the first of a group may go anywhere.
  bool affinity_has_match = false;
  /// (topology key, value) -> how many pods there match all affinity terms, match an anti-affinity term of
  /// the pod, or refuse the pod by an anti-affinity term of their own.
  using Topology = std::map<std::pair<std::string, std::string>, int>;
  Topology affine;
  Topology averse;
  Topology refusing;
  /// The preferred terms of this pod, and those of others that concern it, as a sum of weights.
  Topology preferred;

 private:
  void count_spreads();
  void count_affinities();
  void count_affinity_of(const Pod& existing, const Node& node);
};

const std::string* label_of(const Node& node, const std::string& key);

}  // namespace cloudless::scheduler
