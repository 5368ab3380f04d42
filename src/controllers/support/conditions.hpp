// Conditions of any kind: a list keyed by type whose lastTransitionTime moves only when the status does.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/clock.hpp"

namespace cloudless::controllers {

template <class Condition>
const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type) {
  const auto found = std::ranges::find(conditions, type, &Condition::type);
  return found == conditions.end() ? nullptr : &*found;
}

template <class Condition>
bool is_true(const std::vector<Condition>& conditions, std::string_view type) {
  const Condition* condition = find_condition(conditions, type);
  return condition && condition->status == "True";
}

/// Puts `condition` in place of the one of its type. Without effect, and false, where status and reason are
/// the same already, as upstream's SetXCondition helpers have it.
template <class Condition>
bool set_condition(std::vector<Condition>& conditions, Condition condition, WallTime now) {
  const auto found = std::ranges::find(conditions, condition.type, &Condition::type);
  condition.lastTransitionTime = now;
  if (found == conditions.end()) {
    conditions.push_back(std::move(condition));
    return true;
  }
  if (found->status == condition.status && found->reason == condition.reason) return false;
  if (found->status == condition.status) condition.lastTransitionTime = found->lastTransitionTime;
  *found = std::move(condition);
  return true;
}

template <class Condition>
void remove_condition(std::vector<Condition>& conditions, std::string_view type) {
  std::erase_if(conditions, [&](const Condition& condition) { return condition.type == type; });
}

}  // namespace cloudless::controllers
