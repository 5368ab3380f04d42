#include "apiserver/admission/node_restriction.hpp"

#include <algorithm>
#include <set>

#include "apiserver/admission/pod_edits.hpp"
#include "apiserver/authn/users.hpp"
#include "apiserver/authz/pod_references.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

constexpr std::string_view kLeaseNamespace = "kube-node-lease";

std::string_view node_of(const json::object& pod) { return text_at(pod, {"spec", "nodeName"}); }

bool is_owned_by_node(const json::object& pod, const std::string& node) {
  const json::array& owners = array_at(pod, {"metadata", "ownerReferences"});
  if (owners.size() != 1 || !owners[0].is_object()) return false;
  const json::object& owner = owners[0].get_object();
  return text_at(owner, {"apiVersion"}) == "v1" && text_at(owner, {"kind"}) == "Node" &&
         text_at(owner, {"name"}) == node;
}

ApiResult<> create_pod(const AdmissionRequest& request, const std::string& node) {
  const json::object& pod = *request.object;
  if (!is_mirror_pod(pod))
    return refuse(request, fmt::format("pod does not have {} annotation, node {} can only create mirror pods",
                                       quote(kMirrorPodAnnotation), quote(node)));
  if (node_of(pod) != node)
    return refuse(request,
                  fmt::format("node {} can only create pods with spec.nodeName set to itself", quote(node)));
  if (!is_owned_by_node(pod, node))
    return refuse(request, fmt::format("node {} can only create pods with an owner reference set to itself",
                                       quote(node)));
  bool refers = false;
  authz::visit_references(pod, [&](authz::Referenced, std::string_view) { refers = true; });
  if (refers)
    return refuse(
        request,
        fmt::format("node {} can not create pods that reference secrets, configmaps, service accounts or "
                    "persistentvolumeclaims",
                    quote(node)));
  return {};
}

ApiResult<> admit_pod(const AdmissionRequest& request, const std::string& node) {
  if (request.operation == Operation::kCreate) return create_pod(request, node);
  if (request.operation == Operation::kDelete) {
    if (request.old_object && node_of(*request.old_object) == node) return {};
    return refuse(request,
                  fmt::format("node {} can only delete pods with spec.nodeName set to itself", quote(node)));
  }
  return refuse(request,
                fmt::format("unexpected operation {}, node {} can only create and delete mirror pods",
                            quote(to_string(request.operation)), quote(node)));
}

ApiResult<> admit_pod_status(const AdmissionRequest& request, const std::string& node) {
  if (request.operation != Operation::kUpdate)
    return refuse(request, fmt::format("unexpected operation {}", quote(to_string(request.operation))));
  if (node_of(*request.old_object) != node)
    return refuse(request,
                  fmt::format("node {} can only update pod status for pods with spec.nodeName set to itself",
                              quote(node)));
  if (!same_at(*request.old_object, *request.object, {"metadata", "labels"}))
    return refuse(request, fmt::format("node {} cannot update labels through pod status", quote(node)));
  return {};
}

// Labels below kubernetes.io and k8s.io that an agent sets on its Node.
bool is_agent_label(std::string_view key) {
  static constexpr std::string_view kAllowed[] = {"kubernetes.io/hostname",
                                                  "kubernetes.io/arch",
                                                  "kubernetes.io/os",
                                                  "beta.kubernetes.io/arch",
                                                  "beta.kubernetes.io/os",
                                                  "beta.kubernetes.io/instance-type",
                                                  "node.kubernetes.io/instance-type",
                                                  "failure-domain.beta.kubernetes.io/region",
                                                  "failure-domain.beta.kubernetes.io/zone",
                                                  "topology.kubernetes.io/region",
                                                  "topology.kubernetes.io/zone"};
  if (std::ranges::find(kAllowed, key) != std::end(kAllowed)) return true;
  const std::string_view domain = key.substr(0, key.find('/'));
  for (const std::string_view allowed : {"kubelet.kubernetes.io", "node.kubernetes.io"}) {
    if (domain == allowed || domain.ends_with(std::string(".") + std::string(allowed))) return true;
  }
  return false;
}

bool is_restricted_label(std::string_view key) {
  const size_t slash = key.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view domain = key.substr(0, slash);
  const auto below = [&](std::string_view parent) {
    return domain == parent || domain.ends_with("." + std::string(parent));
  };
  if (below("node-restriction.kubernetes.io")) return true;
  return (below("kubernetes.io") || below("k8s.io")) && !is_agent_label(key);
}

// Labels that differ between both and are not an agent's to change.
std::vector<std::string> forbidden_labels(const json::object* before, const json::object& after) {
  static const json::object kNone;
  const json::object* have = before ? object_at(*before, {"metadata", "labels"}) : nullptr;
  const json::object* want = object_at(after, {"metadata", "labels"});
  const json::object& old_labels = have ? *have : kNone;
  const json::object& new_labels = want ? *want : kNone;
  std::set<std::string> changed;
  for (const auto& [key, value] : new_labels) {
    const json::value* old_value = old_labels.if_contains(key);
    if (!old_value || *old_value != value) changed.emplace(key);
  }
  for (const auto& [key, value] : old_labels) {
    if (!new_labels.contains(key)) changed.emplace(key);
  }
  std::vector<std::string> out;
  for (const std::string& key : changed) {
    if (is_restricted_label(key)) out.push_back(key);
  }
  return out;
}

ApiResult<> admit_node(const AdmissionRequest& request, const std::string& node) {
  const std::string name =
      request.operation == Operation::kCreate ? std::string(name_of(*request.object)) : request.name;
  if (name != node)
    return refuse(request, fmt::format("node {} is not allowed to modify node {}", quote(node), quote(name)));
  if (request.operation == Operation::kDelete) return {};
  const auto labels = forbidden_labels(request.old_object, *request.object);
  if (!labels.empty())
    return refuse(request, fmt::format("is not allowed to {} the following labels: {}",
                                       request.old_object ? "modify" : "set", join(labels, ", ")));
  if (!request.old_object) return {};
  if (!same_at(*request.old_object, *request.object, {"spec", "taints"}))
    return refuse(request, fmt::format("node {} is not allowed to modify taints", quote(node)));
  return {};
}

ApiResult<> admit_lease(const AdmissionRequest& request, const std::string& node) {
  if (request.namespace_ != kLeaseNamespace)
    return refuse(request,
                  fmt::format("can only access leases in the {} system namespace", quote(kLeaseNamespace)));
  const std::string name =
      request.operation == Operation::kCreate ? std::string(name_of(*request.object)) : request.name;
  if (name == node) return {};
  return refuse(request, "can only access node lease with the same name as the requesting node");
}

}  // namespace

Task<ApiResult<>> NodeRestriction::admit_token(const AdmissionRequest& request, std::string node) {
  const json::object* bound = object_at(*request.object, {"spec", "boundObjectRef"});
  if (!bound || text_at(*bound, {"apiVersion"}) != "v1" || text_at(*bound, {"kind"}) != "Pod" ||
      text_at(*bound, {"name"}).empty()) {
    co_return refuse(request, "node requested token not bound to a pod");
  }
  if (text_at(*bound, {"uid"}).empty())
    co_return refuse(request, "node requested token with a pod binding without a uid");
  const auto pod = co_await objects_.get({"", "pods"}, request.namespace_, text_at(*bound, {"name"}));
  if (!pod) co_return std::unexpected(pod.error());
  if (text_at(*bound, {"uid"}) != text_at(**pod, {"metadata", "uid"}))
    co_return refuse(
        request, fmt::format("the UID in the bound object reference ({}) does not match the UID in record. "
                             "The object might have been deleted and then recreated",
                             text_at(*bound, {"uid"})));
  if (node_of(**pod) != node)
    co_return refuse(request, "node requested token bound to a pod scheduled on a different node");
  co_return ApiResult<>();
}

Task<ApiResult<>> NodeRestriction::admit_eviction(const AdmissionRequest& request, std::string node) {
  const auto pod = co_await objects_.get({"", "pods"}, request.namespace_, request.name);
  if (!pod) co_return std::unexpected(pod.error());
  if (node_of(**pod) != node)
    co_return refuse(
        request, fmt::format("node {} can only evict pods with spec.nodeName set to itself", quote(node)));
  co_return ApiResult<>();
}

Task<ApiResult<>> NodeRestriction::admit(AdmissionRequest& request) {
  const auto node = authn::node_name_of(request.user);
  if (!node) co_return ApiResult<>();
  const std::string what = request.group_resource().to_string();
  if (what == "pods" && request.subresource.empty()) co_return admit_pod(request, *node);
  if (what == "pods" && request.subresource == "status") co_return admit_pod_status(request, *node);
  if (what == "pods" && request.subresource == "eviction") co_return co_await admit_eviction(request, *node);
  if (what == "nodes") co_return admit_node(request, *node);
  if (what == "leases.coordination.k8s.io") co_return admit_lease(request, *node);
  if (what == "serviceaccounts" && request.subresource == "token")
    co_return co_await admit_token(request, *node);
  if (what == "csinodes.storage.k8s.io" && request.name != *node &&
      name_of(request.object ? *request.object : *request.old_object) != *node)
    co_return refuse(request, "can only access CSINode with the same name as the requesting node");
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver::admission
