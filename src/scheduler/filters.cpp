#include "scheduler/filters.hpp"

#include <algorithm>

#include "client/placement.hpp"

namespace cloudless::scheduler {

namespace {

Refusal refuse(std::string reason, Resolvable resolvable = Resolvable::kNo) {
  return {{std::move(reason)}, resolvable};
}

Refusal node_unschedulable(const Cycle& cycle, const NodeInfo& info) {
  static const api::core::v1::Taint kTaint{.key = "node.kubernetes.io/unschedulable", .effect = "NoSchedule"};
  if (!info.node->spec.unschedulable || client::tolerates(cycle.pod.spec.tolerations, kTaint)) return {};
  return refuse("node(s) were unschedulable");
}

Refusal node_name(const Cycle& cycle, const NodeInfo& info) {
  const std::string& wanted = cycle.pod.spec.nodeName;
  if (wanted.empty() || wanted == info.node->metadata.name) return {};
  return refuse("node(s) didn't match the requested node name");
}

Refusal taints(const Cycle& cycle, const NodeInfo& info) {
  if (!client::untolerated_taint(info.node->spec.taints, cycle.pod.spec.tolerations,
                                 {"NoSchedule", "NoExecute"})) {
    return {};
  }
  return refuse("node(s) had untolerated taint(s)");
}

Refusal node_affinity(const Cycle& cycle, const NodeInfo& info) {
  if (client::matches_node_selection(cycle.pod.spec, *info.node)) return {};
  return refuse("node(s) didn't match Pod's node affinity/selector");
}

Refusal node_ports(const Cycle& cycle, const NodeInfo& info) {
  for (const HostPort& wanted : cycle.host_ports) {
    for (const HostPort& used : info.host_ports) {
      if (conflict(wanted, used)) {
        return refuse("node(s) didn't have free ports for the requested pod ports",
                      Resolvable::kByPreemption);
      }
    }
  }
  return {};
}

Refusal resources_fit(const Cycle& cycle, const NodeInfo& info) {
  Refusal refusal;
  bool hopeless = false;
  const auto check = [&](int64_t wanted, int64_t used, int64_t has, const std::string& reason) {
    if (wanted == 0 || wanted <= has - used) return;
    refusal.reasons.push_back(reason);
    hopeless = hopeless || wanted > has;
  };
  const Amounts& wanted = cycle.requests;
  const Amounts& used = info.requested;
  const Amounts& has = info.allocatable;
  check(wanted.pods, used.pods, has.pods, "Too many pods");
  check(wanted.milli_cpu, used.milli_cpu, has.milli_cpu, "Insufficient cpu");
  check(wanted.memory, used.memory, has.memory, "Insufficient memory");
  check(wanted.ephemeral, used.ephemeral, has.ephemeral, "Insufficient ephemeral-storage");
  const auto amount = [](const Amounts& amounts, const std::string& name) {
    const auto found = amounts.scalars.find(name);
    return found == amounts.scalars.end() ? int64_t{0} : found->second;
  };
  for (const auto& [name, count] : wanted.scalars) {
    check(count, amount(used, name), amount(has, name), "Insufficient " + name);
  }
  refusal.resolvable = hopeless ? Resolvable::kNo : Resolvable::kByPreemption;
  return refusal;
}

Refusal volumes(const Cycle& cycle, const NodeInfo& info) {
  if (!cycle.volumes.blocked.empty()) return refuse(cycle.volumes.blocked);
  for (const auto& selector : cycle.volumes.affinities) {
    if (!client::matches(selector, *info.node)) return refuse("node(s) had volume node affinity conflict");
  }
  return {};
}

Refusal topology_spread(const Cycle& cycle, const NodeInfo& info) {
  for (const Spread& spread : cycle.hard_spreads) {
    const std::string* domain = label_of(*info.node, spread.topology_key);
    if (!domain)
      return refuse("node(s) didn't match pod topology spread constraints (missing required label)");
    const auto counted = spread.domains.find(*domain);
    const int32_t there = counted == spread.domains.end() ? 0 : counted->second;
    if (there + (spread.counts_self ? 1 : 0) - spread.minimum > spread.max_skew) {
      return refuse("node(s) didn't match pod topology spread constraints", Resolvable::kByPreemption);
    }
  }
  return {};
}

int count_at(const Cycle::Topology& topology, const std::string& key, const Node& node) {
  const std::string* value = label_of(node, key);
  if (!value) return 0;
  const auto found = topology.find({key, *value});
  return found == topology.end() ? 0 : found->second;
}

Refusal pod_affinity(const Cycle& cycle, const NodeInfo& info) {
  if (cycle.affinity.empty()) return {};
  const bool has_labels = std::ranges::all_of(cycle.affinity, [&](const AffinityTerm& term) {
    return label_of(*info.node, term.topology_key) != nullptr;
  });
  const bool all_met = has_labels && std::ranges::all_of(cycle.affinity, [&](const AffinityTerm& term) {
                         return count_at(cycle.affine, term.topology_key, *info.node) > 0;
                       });
  if (all_met) return {};
  // The first pod of a group that wants to be together: nobody is there yet, and it would match itself.
  const bool is_first =
      has_labels && !cycle.affinity_has_match &&
      std::ranges::all_of(cycle.affinity, [&](const auto& term) { return term.selects(cycle.pod); });
  if (is_first) return {};
  return refuse("node(s) didn't match pod affinity rules");
}

Refusal pod_anti_affinity(const Cycle& cycle, const NodeInfo& info) {
  for (const AffinityTerm& term : cycle.anti_affinity) {
    if (count_at(cycle.averse, term.topology_key, *info.node) > 0) {
      return refuse("node(s) didn't match pod anti-affinity rules", Resolvable::kByPreemption);
    }
  }
  for (const auto& [place, count] : cycle.refusing) {
    if (count > 0 && count_at(cycle.refusing, place.first, *info.node) > 0) {
      return refuse("node(s) didn't satisfy existing pods anti-affinity rules", Resolvable::kByPreemption);
    }
  }
  return {};
}

}  // namespace

Refusal filter(const Cycle& cycle, const NodeInfo& info) {
  constexpr Refusal (*kFilters[])(const Cycle&, const NodeInfo&) = {
      node_unschedulable, node_name, taints,          node_affinity, node_ports,
      resources_fit,      volumes,   topology_spread, pod_affinity,  pod_anti_affinity};
  for (const auto each : kFilters) {
    Refusal refusal = each(cycle, info);
    if (!refusal.reasons.empty()) return refusal;
  }
  return {};
}

}  // namespace cloudless::scheduler
