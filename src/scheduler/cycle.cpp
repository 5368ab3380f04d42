#include "scheduler/cycle.hpp"

#include <algorithm>
#include <limits>

#include "base/ranges.hpp"
#include "client/placement.hpp"
#include "client/selector.hpp"

namespace cloudless::scheduler {

using api::core::v1::PodAffinityTerm;
using api::core::v1::TopologySpreadConstraint;

namespace {

constexpr const char* kHostname = "kubernetes.io/hostname";
constexpr const char* kZone = "topology.kubernetes.io/zone";
// The weight of a required affinity of an existing pod towards this one (upstream's HardPodAffinityWeight).
constexpr int kHardAffinityWeight = 1;

AffinityTerm resolve(const PodAffinityTerm& term, const Pod& owner, const Snapshot& snapshot,
                     int32_t weight = 0) {
  AffinityTerm resolved{.namespaces = term.namespaces, .topology_key = term.topologyKey, .weight = weight};
  resolved.selects_nothing = !term.labelSelector;
  if (term.labelSelector) resolved.selector = *term.labelSelector;
  const auto add_label_keys = [&](const std::vector<std::string>& keys, const char* op) {
    for (const std::string& key : keys) {
      const auto label = owner.metadata.labels.find(key);
      if (label == owner.metadata.labels.end()) continue;
      resolved.selector.matchExpressions.push_back({.key = key, .operator_ = op, .values = {label->second}});
    }
  };
  add_label_keys(term.matchLabelKeys, "In");
  add_label_keys(term.mismatchLabelKeys, "NotIn");
  if (term.namespaceSelector) {
    if (client::is_empty(*term.namespaceSelector)) resolved.all_namespaces = true;
    snapshot.each_namespace([&](const std::string& name, const client::Labels& labels) {
      if (client::matches(*term.namespaceSelector, labels)) resolved.namespaces.push_back(name);
    });
  } else if (term.namespaces.empty()) {
    resolved.namespaces.push_back(owner.metadata.namespace_);
  }
  return resolved;
}

Spread to_spread(const TopologySpreadConstraint& constraint, const Pod& pod) {
  Spread spread{.max_skew = constraint.maxSkew, .topology_key = constraint.topologyKey};
  if (constraint.labelSelector) spread.selector = *constraint.labelSelector;
  for (const std::string& key : constraint.matchLabelKeys) {
    const auto label = pod.metadata.labels.find(key);
    if (label == pod.metadata.labels.end()) continue;
    spread.selector.matchExpressions.push_back({.key = key, .operator_ = "In", .values = {label->second}});
  }
  spread.counts_self = constraint.labelSelector && client::matches(spread.selector, pod.metadata.labels);
  return spread;
}

bool is_eligible(const TopologySpreadConstraint& constraint, const Pod& pod, const Node& node) {
  if (constraint.nodeAffinityPolicy.value_or("Honor") == "Honor" &&
      !client::matches_node_selection(pod.spec, node)) {
    return false;
  }
  return constraint.nodeTaintsPolicy.value_or("Ignore") != "Honor" ||
         !client::untolerated_taint(node.spec.taints, pod.spec.tolerations, {"NoSchedule", "NoExecute"});
}

// Pods with the same controller spread over nodes and zones even if nobody asked (upstream's system default
// constraints, which go by the selectors of Services and sets).
std::vector<Spread> default_spreads(const Pod& pod) {
  const auto owner = std::ranges::find_if(pod.metadata.ownerReferences,
                                          [](const auto& each) { return each.controller.value_or(false); });
  if (owner == pod.metadata.ownerReferences.end() || pod.metadata.labels.empty()) return {};
  std::vector<Spread> spreads;
  for (const auto& [key, skew] : {std::pair(kHostname, 3), std::pair(kZone, 5)}) {
    Spread spread{.max_skew = skew, .topology_key = key, .counts_self = true};
    spread.selector.matchLabels = pod.metadata.labels;
    // Labels that differ from pod to pod of one set would select the pod alone.
    for (const char* own : {"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
                            "batch.kubernetes.io/job-completion-index"}) {
      spread.selector.matchLabels.erase(own);
    }
    spreads.push_back(std::move(spread));
  }
  return spreads;
}

int32_t count_matching(const NodeInfo& info, const Spread& spread, const Pod& pod) {
  return static_cast<int32_t>(std::ranges::count_if(info.pods, [&](const auto& entry) {
    const Pod& other = *entry.second;
    return !other.metadata.deletionTimestamp && other.metadata.namespace_ == pod.metadata.namespace_ &&
           client::matches(spread.selector, other.metadata.labels);
  }));
}

}  // namespace

const std::string* label_of(const Node& node, const std::string& key) {
  const auto label = node.metadata.labels.find(key);
  return label == node.metadata.labels.end() ? nullptr : &label->second;
}

bool AffinityTerm::selects(const Pod& pod) const {
  if (selects_nothing || !(all_namespaces || contains(namespaces, pod.metadata.namespace_))) return false;
  return client::matches(selector, pod.metadata.labels);
}

Cycle::Cycle(const Snapshot& on, const Pod& placing, VolumeNeeds volume_needs)
    : snapshot(on),
      pod(placing),
      volumes(std::move(volume_needs)),
      requests(requests_of(placing)),
      requests_nonzero(nonzero_requests_of(placing)),
      host_ports(host_ports_of(placing)) {
  count_spreads();
  count_affinities();
}

void Cycle::count_spreads() {
  const auto nodes = snapshot.nodes();
  for (const TopologySpreadConstraint& constraint : pod.spec.topologySpreadConstraints) {
    Spread spread = to_spread(constraint, pod);
    for (const NodeInfo* info : nodes) {
      const std::string* domain = label_of(*info->node, spread.topology_key);
      if (!domain || !is_eligible(constraint, pod, *info->node)) continue;
      spread.domains[*domain] += constraint.labelSelector ? count_matching(*info, spread, pod) : 0;
    }
    spread.minimum = std::numeric_limits<int32_t>::max();
    for (const auto& [domain, count] : spread.domains) spread.minimum = std::min(spread.minimum, count);
    const auto wanted_domains = static_cast<size_t>(std::max(constraint.minDomains.value_or(1), 1));
    if (spread.domains.size() < wanted_domains) spread.minimum = 0;
    const bool hard = constraint.whenUnsatisfiable == "DoNotSchedule";
    (hard ? hard_spreads : soft_spreads).push_back(std::move(spread));
  }
  if (!pod.spec.topologySpreadConstraints.empty()) return;
  soft_spreads = default_spreads(pod);
  for (Spread& spread : soft_spreads) {
    for (const NodeInfo* info : nodes) {
      if (const std::string* domain = label_of(*info->node, spread.topology_key)) {
        spread.domains[*domain] += count_matching(*info, spread, pod);
      }
    }
  }
}

void Cycle::count_affinities() {
  if (pod.spec.affinity && pod.spec.affinity->podAffinity) {
    for (const auto& term : pod.spec.affinity->podAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
      affinity.push_back(resolve(term, pod, snapshot));
    }
  }
  if (pod.spec.affinity && pod.spec.affinity->podAntiAffinity) {
    for (const auto& term :
         pod.spec.affinity->podAntiAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
      anti_affinity.push_back(resolve(term, pod, snapshot));
    }
  }
  for (const NodeInfo* info : snapshot.nodes()) {
    for (const auto& [uid, existing] : info->pods) count_affinity_of(*existing, *info->node);
  }
}

void Cycle::count_affinity_of(const Pod& existing, const Node& node) {
  const auto count = [&node](Topology& into, const AffinityTerm& term, int amount) {
    if (const std::string* value = label_of(node, term.topology_key))
      into[{term.topology_key, *value}] += amount;
  };
  const bool matches_all = !affinity.empty() && std::ranges::all_of(affinity, [&](const AffinityTerm& term) {
    return term.selects(existing) && label_of(node, term.topology_key);
  });
  if (matches_all) {
    affinity_has_match = true;
    for (const AffinityTerm& term : affinity) count(affine, term, 1);
  }
  for (const AffinityTerm& term : anti_affinity) {
    if (term.selects(existing)) count(averse, term, 1);
  }
  const auto prefer = [&](const auto& holder, const Pod& owner, const Pod& other, int sign) {
    if (!holder) return;
    for (const auto& weighted : holder->preferredDuringSchedulingIgnoredDuringExecution) {
      const AffinityTerm term = resolve(weighted.podAffinityTerm, owner, snapshot, weighted.weight);
      if (term.selects(other)) count(preferred, term, sign * term.weight);
    }
  };
  if (pod.spec.affinity) {
    prefer(pod.spec.affinity->podAffinity, pod, existing, 1);
    prefer(pod.spec.affinity->podAntiAffinity, pod, existing, -1);
  }
  if (!existing.spec.affinity) return;
  prefer(existing.spec.affinity->podAffinity, existing, pod, 1);
  prefer(existing.spec.affinity->podAntiAffinity, existing, pod, -1);
  if (existing.spec.affinity->podAntiAffinity) {
    for (const auto& raw :
         existing.spec.affinity->podAntiAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
      const AffinityTerm term = resolve(raw, existing, snapshot);
      if (term.selects(pod)) count(refusing, term, 1);
    }
  }
  if (existing.spec.affinity->podAffinity) {
    for (const auto& raw :
         existing.spec.affinity->podAffinity->requiredDuringSchedulingIgnoredDuringExecution) {
      const AffinityTerm term = resolve(raw, existing, snapshot);
      if (term.selects(pod)) count(preferred, term, kHardAffinityWeight);
    }
  }
}

}  // namespace cloudless::scheduler
