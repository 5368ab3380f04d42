// The Node authorizer: a node's agent reads what the pods bound to its node need, and its own Node, Lease and
// CSINode; for the rest it has the rules of system:node (plugin/pkg/auth/authorizer/node).
//
// What a pod refers to is looked up in the registry's pods when asked: an agent reads each Secret when a pod
// comes and when it changes, which is rare beside the changes of pods that an always current graph would have
// to follow.
#pragma once

#include <vector>

#include "apiserver/authz/pod_references.hpp"
#include "apiserver/authz/rules.hpp"
#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authz {

class NodeAuthorizer final : public Authorizer {
 public:
  NodeAuthorizer(Objects& objects, std::vector<PolicyRule> node_rules)
      : objects_(objects), node_rules_(std::move(node_rules)) {}
  /// No opinion on anyone but nodes.
  runtime::Task<Decision> authorize(const Attributes& attributes) override;

 private:
  runtime::Task<Decision> referenced(const Attributes& attributes, std::string node, Referenced kind);
  runtime::Task<Decision> volume(const Attributes& attributes, std::string node);
  runtime::Task<Decision> attachment(const Attributes& attributes, std::string node);
  runtime::Task<bool> some_pod_refers(std::string node, std::string namespace_, Referenced kind,
                                      std::string name);
  Decision by_rules(const Attributes& attributes) const;

  Objects& objects_;
  const std::vector<PolicyRule> node_rules_;
};

}  // namespace cloudless::apiserver::authz
