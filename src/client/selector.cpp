#include "client/selector.hpp"

#include <algorithm>

#include "base/ranges.hpp"

namespace cloudless::client {

using api::meta::v1::LabelSelector;
using api::meta::v1::LabelSelectorRequirement;

namespace {

bool holds(const LabelSelectorRequirement& requirement, const Labels& labels) {
  const auto label = labels.find(requirement.key);
  const bool exists = label != labels.end();
  const auto listed = [&] { return contains(requirement.values, label->second); };
  if (requirement.operator_ == "In") return exists && listed();
  if (requirement.operator_ == "NotIn") return !exists || !listed();
  if (requirement.operator_ == "Exists") return exists;
  if (requirement.operator_ == "DoesNotExist") return !exists;
  return false;
}

}  // namespace

bool matches(const Labels& selector, const Labels& labels) {
  return std::ranges::all_of(selector, [&](const auto& pair) {
    const auto label = labels.find(pair.first);
    return label != labels.end() && label->second == pair.second;
  });
}

bool matches(const LabelSelector& selector, const Labels& labels) {
  return matches(selector.matchLabels, labels) &&
         std::ranges::all_of(selector.matchExpressions,
                             [&](const auto& each) { return holds(each, labels); });
}

bool is_empty(const LabelSelector& selector) {
  return selector.matchLabels.empty() && selector.matchExpressions.empty();
}

}  // namespace cloudless::client
