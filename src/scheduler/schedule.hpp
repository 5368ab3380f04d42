// schedule(): where a pod goes, or why it cannot go anywhere, and what to preempt for it. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "scheduler/cycle.hpp"
#include "scheduler/filters.hpp"

namespace cloudless::scheduler {

/// Why no node fits.
struct Diagnosis {
  size_t node_count = 0;
  std::map<std::string, Refusal> refusals;  // by node

  /// "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s)."
  std::string message() const;
};

struct Decision {
  std::string node;  // empty: nowhere
  Diagnosis diagnosis;
};

/// Ties between equally good nodes are broken by `random`.
Decision schedule(const Snapshot& snapshot, const Pod& pod, const VolumeNeeds& volumes, Random& random);

struct Preemption {
  std::string node;  // empty: preemption does not help
  std::vector<PodPtr> victims;
  std::string message;  // what the event says where it does not help
};

/// The node where the least important pods of lower priority would have to go, if that lets `pod` in.
Preemption preempt(const Snapshot& snapshot, const Pod& pod, const VolumeNeeds& volumes,
                   const Diagnosis& diagnosis);

int32_t priority_of(const Pod& pod);

}  // namespace cloudless::scheduler
