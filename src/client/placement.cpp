#include "client/placement.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/ranges.hpp"
#include "client/selector.hpp"

namespace cloudless::client {

using api::core::v1::NodeSelectorRequirement;

namespace {

std::optional<int64_t> number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// `value` is null where the node has no such label.
bool holds(const NodeSelectorRequirement& requirement, const std::string* value) {
  const std::string& op = requirement.operator_;
  if (op == "In") return value && contains(requirement.values, *value);
  if (op == "NotIn") return !value || !contains(requirement.values, *value);
  if (op == "Exists") return value != nullptr;
  if (op == "DoesNotExist") return value == nullptr;
  if (!value || requirement.values.size() != 1) return false;
  const auto have = number(*value);
  const auto limit = number(requirement.values.front());
  if (!have || !limit) return false;
  return op == "Gt" ? *have > *limit : op == "Lt" && *have < *limit;
}

bool holds_for_label(const NodeSelectorRequirement& requirement, const Node& node) {
  const auto label = node.metadata.labels.find(requirement.key);
  return holds(requirement, label == node.metadata.labels.end() ? nullptr : &label->second);
}

bool holds_for_field(const NodeSelectorRequirement& requirement, const Node& node) {
  return requirement.key == "metadata.name" && holds(requirement, &node.metadata.name);
}

}  // namespace

bool tolerates(const Toleration& toleration, const Taint& taint) {
  if (!toleration.effect.empty() && toleration.effect != taint.effect) return false;
  if (!toleration.key.empty() && toleration.key != taint.key) return false;
  if (toleration.operator_.empty() || toleration.operator_ == "Equal") {
    return !toleration.key.empty() && toleration.value == taint.value;
  }
  return toleration.operator_ == "Exists";
}

bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint) {
  return std::ranges::any_of(tolerations, [&](const Toleration& each) { return tolerates(each, taint); });
}

const Taint* untolerated_taint(const std::vector<Taint>& taints, const std::vector<Toleration>& tolerations,
                               const std::vector<std::string>& effects) {
  for (const Taint& taint : taints) {
    if (contains(effects, taint.effect) && !tolerates(tolerations, taint)) return &taint;
  }
  return nullptr;
}

bool matches(const NodeSelectorTerm& term, const Node& node) {
  if (term.matchExpressions.empty() && term.matchFields.empty()) return false;
  return std::ranges::all_of(term.matchExpressions,
                             [&](const auto& each) { return holds_for_label(each, node); }) &&
         std::ranges::all_of(term.matchFields, [&](const auto& each) { return holds_for_field(each, node); });
}

bool matches(const NodeSelector& selector, const Node& node) {
  return std::ranges::any_of(selector.nodeSelectorTerms,
                             [&](const auto& term) { return matches(term, node); });
}

bool matches_node_selection(const PodSpec& spec, const Node& node) {
  if (!matches(spec.nodeSelector, node.metadata.labels)) return false;
  if (!spec.affinity || !spec.affinity->nodeAffinity) return true;
  const auto& required = spec.affinity->nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution;
  return !required || matches(*required, node);
}

}  // namespace cloudless::client
