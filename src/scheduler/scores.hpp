// Scores: which of the nodes that fit is best, with upstream's default plugins and weights.
#pragma once

#include <vector>

#include "scheduler/cycle.hpp"

namespace cloudless::scheduler {

/// A score per node, in the order of `nodes`; higher is better.
std::vector<double> score(const Cycle& cycle, const std::vector<const NodeInfo*>& nodes);

}  // namespace cloudless::scheduler
