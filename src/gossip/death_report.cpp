#include "gossip/death_report.hpp"

namespace cloudless::gossip {

std::set<std::string> dead_to_report(const MembershipView& view, AtHalf at_half) {
  size_t living = 0;
  std::set<std::string> dead;
  for (const auto& [name, member] : view.members) {
    if (view.is_alive(name)) {
      if (++living == 1 && name != view.self) return {};
    } else if (member.state == MemberState::kDead) {
      dead.insert(name);
    }
  }
  const bool is_half = living == dead.size();
  const bool may = living > dead.size() || (is_half && at_half == AtHalf::kReports);
  return may ? dead : std::set<std::string>();
}

const std::set<std::string>& DeathReport::look(const MembershipView& view, SteadyTime now) {
  if (version_ != view.version) {
    version_ = view.version;
    changed_at_ = now;
  }
  std::set<std::string> dead = dead_to_report(view, at_half_);
  if (settles_in(now)) {
    std::erase_if(report_, [&dead](const std::string& name) { return !dead.contains(name); });
  } else {
    report_ = std::move(dead);
  }
  return report_;
}

std::optional<Duration> DeathReport::settles_in(SteadyTime now) const {
  const Duration left = changed_at_ + kSettle - now;
  return left > Duration(0) ? std::optional(left) : std::nullopt;
}

}  // namespace cloudless::gossip
