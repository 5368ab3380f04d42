#include "scheduler/scores.hpp"

#include <algorithm>
#include <cmath>

#include "client/placement.hpp"

namespace cloudless::scheduler {

namespace {

constexpr double kMax = 100;
using Scores = std::vector<double>;
using Nodes = std::vector<const NodeInfo*>;

enum class Better { kHigh, kLow };

// Stretches raw values to 0..100.
void normalize(Scores& scores, Better better) {
  const auto [low, high] = std::ranges::minmax(scores);
  for (double& score : scores) {
    const double part = high == low ? 0 : (score - low) / (high - low);
    score = better == Better::kHigh ? part * kMax : high == low ? kMax : (1 - part) * kMax;
  }
}

double fraction(int64_t used, int64_t has) {
  return has <= 0 ? 1 : std::min(1.0, static_cast<double>(used) / static_cast<double>(has));
}

// The share of CPU and memory that would be taken with the pod on the node.
std::pair<double, double> shares(const Cycle& cycle, const NodeInfo& info) {
  const Amounts& used = info.requested_nonzero;
  const Amounts& wanted = cycle.requests_nonzero;
  return {fraction(used.milli_cpu + wanted.milli_cpu, info.allocatable.milli_cpu),
          fraction(used.memory + wanted.memory, info.allocatable.memory)};
}

Scores least_allocated(const Cycle& cycle, const Nodes& nodes) {
  Scores scores;
  for (const NodeInfo* info : nodes) {
    const auto [cpu, memory] = shares(cycle, *info);
    scores.push_back(kMax * ((1 - cpu) + (1 - memory)) / 2);
  }
  return scores;
}

Scores balanced_allocation(const Cycle& cycle, const Nodes& nodes) {
  Scores scores;
  for (const NodeInfo* info : nodes) {
    const auto [cpu, memory] = shares(cycle, *info);
    scores.push_back(kMax * (1 - std::abs(cpu - memory) / 2));
  }
  return scores;
}

Scores taint_preference(const Cycle& cycle, const Nodes& nodes) {
  Scores scores;
  for (const NodeInfo* info : nodes) {
    scores.push_back(
        static_cast<double>(std::ranges::count_if(info->node->spec.taints, [&](const auto& taint) {
          return taint.effect == "PreferNoSchedule" && !client::tolerates(cycle.pod.spec.tolerations, taint);
        })));
  }
  normalize(scores, Better::kLow);
  return scores;
}

Scores node_affinity(const Cycle& cycle, const Nodes& nodes) {
  Scores scores(nodes.size(), 0);
  const auto& affinity = cycle.pod.spec.affinity;
  if (!affinity || !affinity->nodeAffinity) return scores;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const auto& term : affinity->nodeAffinity->preferredDuringSchedulingIgnoredDuringExecution) {
      if (client::matches(term.preference, *nodes[i]->node)) scores[i] += term.weight;
    }
  }
  normalize(scores, Better::kHigh);
  return scores;
}

Scores topology_spread(const Cycle& cycle, const Nodes& nodes) {
  Scores scores(nodes.size(), 0);
  if (cycle.soft_spreads.empty()) return scores;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const Spread& spread : cycle.soft_spreads) {
      const std::string* domain = label_of(*nodes[i]->node, spread.topology_key);
      if (!domain) continue;
      // The fewer domains there are, the less one more pod in one of them matters.
      const double weight = std::log(static_cast<double>(spread.domains.size()) + 2);
      const auto counted = spread.domains.find(*domain);
      scores[i] += weight * (counted == spread.domains.end() ? 0 : counted->second);
    }
  }
  normalize(scores, Better::kLow);
  return scores;
}

Scores inter_pod_affinity(const Cycle& cycle, const Nodes& nodes) {
  Scores scores(nodes.size(), 0);
  if (cycle.preferred.empty()) return scores;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const auto& [place, weight] : cycle.preferred) {
      const std::string* value = label_of(*nodes[i]->node, place.first);
      if (value && *value == place.second) scores[i] += weight;
    }
  }
  normalize(scores, Better::kHigh);
  return scores;
}

std::string with_tag(const std::string& image) {
  const size_t slash = image.rfind('/');
  const size_t colon = image.rfind(':');
  const bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
  return tagged || image.contains('@') ? image : image + ":latest";
}

// Images of 23 MB to 1000 MB per container count, by the share of nodes that have them.
Scores image_locality(const Cycle& cycle, const Nodes& nodes) {
  constexpr double kMegabyte = 1024 * 1024;
  const double low = 23 * kMegabyte;
  const double high =
      1000 * kMegabyte * static_cast<double>(std::max<size_t>(cycle.pod.spec.containers.size(), 1));
  Scores scores(nodes.size(), 0);
  for (const auto& container : cycle.pod.spec.containers) {
    const std::string image = with_tag(container.image);
    const auto holders =
        std::ranges::count_if(nodes, [&](const NodeInfo* info) { return info->images.contains(image); });
    if (holders == 0) continue;
    const double spread = static_cast<double>(holders) / static_cast<double>(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      const auto found = nodes[i]->images.find(image);
      if (found != nodes[i]->images.end()) scores[i] += static_cast<double>(found->second) * spread;
    }
  }
  for (double& score : scores) score = kMax * (std::clamp(score, low, high) - low) / (high - low);
  return scores;
}

}  // namespace

std::vector<double> score(const Cycle& cycle, const std::vector<const NodeInfo*>& nodes) {
  struct Weighted {
    Scores (*plugin)(const Cycle&, const Nodes&);
    double weight;
  };
  constexpr Weighted kPlugins[] = {{taint_preference, 3},   {node_affinity, 2},   {topology_spread, 2},
                                   {inter_pod_affinity, 2}, {least_allocated, 1}, {balanced_allocation, 1},
                                   {image_locality, 1}};
  Scores total(nodes.size(), 0);
  if (nodes.empty()) return total;
  for (const Weighted& each : kPlugins) {
    const Scores scores = each.plugin(cycle, nodes);
    for (size_t i = 0; i < nodes.size(); ++i) total[i] += each.weight * scores[i];
  }
  return total;
}

}  // namespace cloudless::scheduler
