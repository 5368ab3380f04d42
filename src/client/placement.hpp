// Which pods may be where: tolerations against taints, node selectors and node affinity against nodes. What
// the scheduler, DaemonSets, node eviction and the node agent's admission agree on (upstream:
// component-helpers/scheduling, api/core/v1/toleration.go).
#pragma once

#include <string>
#include <vector>

#include "api/core_v1.hpp"

namespace cloudless::client {

using api::core::v1::Node;
using api::core::v1::NodeSelector;
using api::core::v1::NodeSelectorTerm;
using api::core::v1::PodSpec;
using api::core::v1::Taint;
using api::core::v1::Toleration;

bool tolerates(const Toleration& toleration, const Taint& taint);
bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint);
/// The first taint with one of `effects` that is not tolerated, or null.
const Taint* untolerated_taint(const std::vector<Taint>& taints, const std::vector<Toleration>& tolerations,
                               const std::vector<std::string>& effects);

/// A term without requirements matches no node.
bool matches(const NodeSelectorTerm& term, const Node& node);
/// Any of the terms.
bool matches(const NodeSelector& selector, const Node& node);
/// spec.nodeSelector and the required part of the node affinity.
bool matches_node_selection(const PodSpec& spec, const Node& node);

}  // namespace cloudless::client
