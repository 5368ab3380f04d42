#include "apiserver/authz/node_authorizer.hpp"

#include <algorithm>

#include "apiserver/authn/users.hpp"
#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::authz {

using runtime::Task;

namespace {

constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";
constexpr std::string_view kLeaseNamespace = "kube-node-lease";

Decision allow() { return {Decision::Kind::kAllow, ""}; }
Decision no_opinion(std::string reason) { return {Decision::Kind::kNoOpinion, std::move(reason)}; }

bool is_read(std::string_view verb) { return verb == "get" || verb == "list" || verb == "watch"; }

Decision unrelated(const std::string& node) {
  return no_opinion(fmt::format("no relationship found between node '{}' and this object", node));
}

// A list or watch may be narrowed to one object by its name alone.
bool selects(const std::string& selector, std::string_view field, const std::string& value) {
  const auto terms = split(selector, ',');
  return std::ranges::any_of(terms, [&](std::string_view term) {
    return term == fmt::format("{}={}", field, value) || term == fmt::format("{}=={}", field, value);
  });
}

Decision own_object(const Attributes& attributes, const std::string& node, std::string_view what) {
  if (attributes.name == node) return allow();
  if (attributes.verb == "create" && attributes.name.empty()) return allow();
  return no_opinion(fmt::format("can only access {} with the same name as the requesting node", what));
}

Decision own_node(const Attributes& attributes, const std::string& node) {
  if (!attributes.subresource.empty() || !is_read(attributes.verb))
    return own_object(attributes, node, "node");
  if (attributes.name == node || selects(attributes.field_selector, "metadata.name", node)) return allow();
  return no_opinion(fmt::format("node '{}' cannot read '{}', only its own Node object", node,
                                attributes.name.empty() ? "all nodes" : attributes.name));
}

// list and watch of pods only of the own node (KEP-4601); what is written is NodeRestriction's to check.
std::optional<Decision> own_pods(const Attributes& attributes, const std::string& node) {
  if (attributes.verb != "list" && attributes.verb != "watch") return std::nullopt;
  if (selects(attributes.field_selector, "spec.nodeName", node)) return allow();
  return no_opinion("can only list/watch pods with spec.nodeName field selector");
}

Decision own_lease(const Attributes& attributes, const std::string& node) {
  if (attributes.namespace_ != kLeaseNamespace)
    return no_opinion(
        fmt::format("can only access leases in the {} system namespace", quote(kLeaseNamespace)));
  return own_object(attributes, node, "lease");
}

}  // namespace

Decision NodeAuthorizer::by_rules(const Attributes& attributes) const {
  const bool allowed =
      std::ranges::any_of(node_rules_, [&](const PolicyRule& rule) { return rule_allows(rule, attributes); });
  return allowed ? allow() : Decision{};
}

Task<bool> NodeAuthorizer::some_pod_refers(std::string node, std::string namespace_, Referenced kind,
                                           std::string name) {
  const auto pods = co_await objects_.list({"", "pods"}, namespace_);
  if (!pods) co_return false;
  for (const ObjectPtr& pod : *pods) {
    if (text_at(*pod, {"spec", "nodeName"}) != node) continue;
    // What a mirror pod names comes from the node itself: it must not open anything.
    if (find(*pod, {"metadata", "annotations", kMirrorAnnotation})) continue;
    bool found = false;
    visit_references(*pod, [&](Referenced referenced, std::string_view referenced_name) {
      found = found || (referenced == kind && referenced_name == name);
    });
    if (found) co_return true;
  }
  co_return false;
}

Task<Decision> NodeAuthorizer::referenced(const Attributes& attributes, std::string node, Referenced kind) {
  if (!is_read(attributes.verb) || !attributes.subresource.empty())
    co_return no_opinion("can only read resources of this type");
  std::string name = attributes.name;
  if (name.empty()) co_return no_opinion("can only get individual resources of this type");
  if (co_await some_pod_refers(node, attributes.namespace_, kind, std::move(name))) co_return allow();
  co_return unrelated(node);
}

Task<Decision> NodeAuthorizer::volume(const Attributes& attributes, std::string node) {
  if (attributes.verb != "get" || attributes.name.empty())
    co_return no_opinion("can only get individual resources of this type");
  const auto volume = co_await objects_.get({"", "persistentvolumes"}, "", attributes.name);
  if (!volume) co_return unrelated(node);
  const std::string ns(text_at(**volume, {"spec", "claimRef", "namespace"}));
  const std::string claim(text_at(**volume, {"spec", "claimRef", "name"}));
  if (!claim.empty() && co_await some_pod_refers(node, ns, Referenced::kClaim, claim)) co_return allow();
  co_return unrelated(node);
}

Task<Decision> NodeAuthorizer::attachment(const Attributes& attributes, std::string node) {
  if (attributes.verb != "get" || attributes.name.empty())
    co_return no_opinion("can only get individual resources of this type");
  const auto attachment = co_await objects_.get({"storage.k8s.io", "volumeattachments"}, "", attributes.name);
  if (attachment && text_at(**attachment, {"spec", "nodeName"}) == node) co_return allow();
  co_return unrelated(node);
}

Task<Decision> NodeAuthorizer::authorize(const Attributes& attributes) {
  const auto node = authn::node_name_of(attributes.user);
  if (!node) co_return Decision{};
  if (node->empty())
    co_return no_opinion(fmt::format("unknown node for user {}", quote(attributes.user.name)));
  if (!attributes.is_resource_request) co_return by_rules(attributes);
  const std::string resource = GroupResource{attributes.group, attributes.resource}.to_string();
  if (resource == "secrets") co_return co_await referenced(attributes, *node, Referenced::kSecret);
  if (resource == "configmaps") co_return co_await referenced(attributes, *node, Referenced::kConfigMap);
  if (resource == "resourceclaims.resource.k8s.io")
    co_return co_await referenced(attributes, *node, Referenced::kResourceClaim);
  if (resource == "persistentvolumeclaims") {
    if (attributes.subresource == "status") co_return by_rules(attributes);
    co_return co_await referenced(attributes, *node, Referenced::kClaim);
  }
  if (resource == "persistentvolumes") co_return co_await volume(attributes, *node);
  if (resource == "volumeattachments.storage.k8s.io") co_return co_await attachment(attributes, *node);
  if (resource == "serviceaccounts") {
    if (attributes.subresource != "token" || attributes.verb != "create" || attributes.name.empty())
      co_return no_opinion("can only create tokens for individual service accounts");
    if (co_await some_pod_refers(*node, attributes.namespace_, Referenced::kServiceAccount, attributes.name))
      co_return allow();
    co_return unrelated(*node);
  }
  const Decision ruled = by_rules(attributes);
  if (!ruled.allowed()) co_return ruled;
  if (resource == "nodes") co_return own_node(attributes, *node);
  if (resource == "pods" && attributes.subresource.empty())
    co_return own_pods(attributes, *node).value_or(ruled);
  if (resource == "leases.coordination.k8s.io") co_return own_lease(attributes, *node);
  if (resource == "csinodes.storage.k8s.io") co_return own_object(attributes, *node, "CSINode");
  co_return ruled;
}

}  // namespace cloudless::apiserver::authz
