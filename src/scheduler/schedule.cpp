#include "scheduler/schedule.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/strings.hpp"
#include "scheduler/scores.hpp"

namespace cloudless::scheduler {

namespace {

std::string count_text(const std::map<std::string, int>& counts) {
  std::vector<std::string> parts;
  for (const auto& [reason, count] : counts) parts.push_back(fmt::format("{} {}", count, reason));
  std::ranges::sort(parts);
  return join(parts, ", ");
}

// Takes the fewest pods off a copy of the node that let the pod in; more important ones are spared first.
std::optional<std::vector<PodPtr>> victims_on(const Snapshot& snapshot, const Pod& pod,
                                              const VolumeNeeds& volumes, const std::string& node) {
  Snapshot trial = snapshot;
  std::vector<PodPtr> lower;
  for (const auto& [uid, other] : trial.find(node)->pods) {
    if (priority_of(*other) < priority_of(pod)) lower.push_back(other);
  }
  if (lower.empty()) return std::nullopt;
  for (const PodPtr& other : lower) trial.remove_pod(other->metadata.uid);
  const auto fits = [&] { return filter(Cycle(trial, pod, volumes), *trial.find(node)).reasons.empty(); };
  if (!fits()) return std::nullopt;
  std::ranges::sort(lower, [](const PodPtr& a, const PodPtr& b) {
    if (priority_of(*a) != priority_of(*b)) return priority_of(*a) > priority_of(*b);
    return std::tuple(a->status.startTime, a->metadata.name) <
           std::tuple(b->status.startTime, b->metadata.name);
  });
  std::vector<PodPtr> victims;
  for (const PodPtr& other : lower) {
    trial.put_pod(other);
    if (fits()) continue;
    trial.remove_pod(other->metadata.uid);
    victims.push_back(other);
  }
  return victims;
}

// What a set of victims costs, cheapest first.
auto cost_of(const std::vector<PodPtr>& victims, const std::string& node) {
  int32_t highest = 0;
  int64_t sum = 0;
  for (const PodPtr& victim : victims) {
    highest = std::max(highest, priority_of(*victim));
    sum += priority_of(*victim);
  }
  return std::tuple(highest, sum, victims.size(), node);
}

}  // namespace

int32_t priority_of(const Pod& pod) { return pod.spec.priority.value_or(0); }

std::string Diagnosis::message() const {
  if (node_count == 0) return "no nodes available to schedule pods";
  std::map<std::string, int> counts;
  for (const auto& [node, refusal] : refusals) {
    for (const std::string& reason : refusal.reasons) ++counts[reason];
  }
  return fmt::format("0/{} nodes are available: {}.", node_count, count_text(counts));
}

Decision schedule(const Snapshot& snapshot, const Pod& pod, const VolumeNeeds& volumes, Random& random) {
  Decision decision;
  const Cycle cycle(snapshot, pod, volumes);
  std::vector<const NodeInfo*> fitting;
  const auto nodes = snapshot.nodes();
  decision.diagnosis.node_count = nodes.size();
  for (const NodeInfo* info : nodes) {
    Refusal refusal = filter(cycle, *info);
    if (refusal.reasons.empty()) {
      fitting.push_back(info);
    } else {
      decision.diagnosis.refusals.emplace(info->node->metadata.name, std::move(refusal));
    }
  }
  if (fitting.empty()) return decision;
  // A node freed for this pod by preemption is its own, if it still fits.
  for (const NodeInfo* info : fitting) {
    if (info->node->metadata.name == pod.status.nominatedNodeName) {
      decision.node = info->node->metadata.name;
      return decision;
    }
  }
  const std::vector<double> scores = score(cycle, fitting);
  const double best = *std::ranges::max_element(scores);
  size_t ties = 0;
  for (size_t i = 0; i < fitting.size(); ++i) {
    if (scores[i] == best && random.below(++ties) == 0) decision.node = fitting[i]->node->metadata.name;
  }
  return decision;
}

Preemption preempt(const Snapshot& snapshot, const Pod& pod, const VolumeNeeds& volumes,
                   const Diagnosis& diagnosis) {
  Preemption best;
  const auto say = [&](std::map<std::string, int> counts) {
    best.message =
        fmt::format("preemption: 0/{} nodes are available: {}.", diagnosis.node_count, count_text(counts));
    return best;
  };
  if (pod.spec.preemptionPolicy == "Never") {
    best.message = "preemption: not eligible due to preemptionPolicy=Never.";
    return best;
  }
  std::map<std::string, int> counts;
  for (const auto& [node, refusal] : diagnosis.refusals) {
    if (refusal.resolvable == Resolvable::kNo) {
      ++counts["Preemption is not helpful for scheduling"];
      continue;
    }
    auto victims = victims_on(snapshot, pod, volumes, node);
    if (!victims || victims->empty()) {
      ++counts["No preemption victims found for incoming pod"];
    } else if (best.node.empty() || cost_of(*victims, node) < cost_of(best.victims, best.node)) {
      best.node = node;
      best.victims = std::move(*victims);
    }
  }
  return best.node.empty() ? say(std::move(counts)) : best;
}

}  // namespace cloudless::scheduler
