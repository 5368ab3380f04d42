// Who tells the cluster's API which nodes are dead, so that their condition follows the one failure
// detector: the first of the living by name, as long as they are more than half of all. A side of a
// partition that is the smaller one, or an agent that is alone with its network card, therefore calls nobody
// dead.
//
//     members   a  b  c  d  e         a, b | c, d, e cut from each other
//     reporter  a names nobody              a: 2 of 5, silent     c: 3 of 5, names a and b
//
// Deaths become known one after another, and after the first of them the smaller side still looks like the
// larger one. So a death is reported once the view has stood still for kSettle; that somebody lives is said
// at once.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "gossip/membership.hpp"

namespace cloudless::gossip {

/// What half of the members may do. Of two nodes, the one beside the API server goes on: whoever is cut off
/// from it is cut off from the API, too.
enum class AtHalf { kIsSilent, kReports };

/// The dead nodes that `view.self` is to report, if the view is what it will be; empty where another one
/// reports, or nobody may. A node that said goodbye is not dead: its agent is about to start again.
std::set<std::string> dead_to_report(const MembershipView& view, AtHalf at_half);

class DeathReport {
 public:
  /// Longer than the time between two deaths that one cause has, as the detector finds them.
  static constexpr Duration kSettle = std::chrono::seconds(1);

  explicit DeathReport(AtHalf at_half) : at_half_(at_half) {}

  /// What to report now. Called with every change of the view, and again after settles_in().
  const std::set<std::string>& look(const MembershipView& view, SteadyTime now);
  /// Until the view that was looked at last counts as settled; nothing where it does.
  std::optional<Duration> settles_in(SteadyTime now) const;

 private:
  const AtHalf at_half_;
  std::optional<uint64_t> version_;
  SteadyTime changed_at_;
  std::set<std::string> report_;
};

}  // namespace cloudless::gossip
