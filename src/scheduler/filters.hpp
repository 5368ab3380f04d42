// Filters: whether a pod can run on a node at all, in the order and the words of upstream's default plugins.
#pragma once

#include <string>
#include <vector>

#include "scheduler/cycle.hpp"

namespace cloudless::scheduler {

/// Whether removing pods from the node could make it fit.
enum class Resolvable { kNo, kByPreemption };

struct Refusal {
  std::vector<std::string> reasons;  // as they stand in FailedScheduling events
  Resolvable resolvable = Resolvable::kNo;
};

/// The first filter's refusal, or an empty one where the node fits.
Refusal filter(const Cycle& cycle, const NodeInfo& info);

}  // namespace cloudless::scheduler
