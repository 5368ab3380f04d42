#include "apiserver/admission/small_plugins.hpp"

#include "apiserver/admission/pod_places.hpp"

#include <algorithm>

#include "apiserver/admission/pod_edits.hpp"
#include "base/strings.hpp"
#include "schema/quantity.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

constexpr int kTolerationSeconds = 300;
constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready";
constexpr std::string_view kUnreachable = "node.kubernetes.io/unreachable";

bool tolerates(const json::array& tolerations, std::string_view key) {
  return std::ranges::any_of(tolerations, [&](const json::value& item) {
    if (!item.is_object()) return false;
    const std::string_view effect = text_at(item.get_object(), {"effect"});
    const std::string_view tolerated = text_at(item.get_object(), {"key"});
    return (effect == "NoExecute" || effect.empty()) && (tolerated == key || tolerated.empty());
  });
}

void add_finalizer(json::object& object, std::string_view finalizer) {
  json::array& finalizers = make_array(metadata(object), "finalizers");
  const auto same = [&](const json::value& item) {
    return item.is_string() && item.get_string() == finalizer;
  };
  if (std::ranges::none_of(finalizers, same)) finalizers.emplace_back(finalizer);
}

// The runtime class's tolerations join the pod's.
void add_tolerations(json::object& spec, const json::array& extra) {
  if (extra.empty()) return;
  json::array& tolerations = make_array(spec, "tolerations");
  for (const json::value& item : extra) {
    if (std::ranges::find(tolerations, item) == tolerations.end()) tolerations.push_back(item);
  }
}

}  // namespace

Task<ApiResult<>> DefaultTolerationSeconds::admit(AdmissionRequest& request) {
  if (!is_on(request, "", "pods")) co_return ApiResult<>();
  json::object& spec = make_object(*request.object, {"spec"});
  for (const std::string_view key : {kNotReady, kUnreachable}) {
    if (tolerates(array_at(spec, {"tolerations"}), key)) continue;
    make_array(spec, "tolerations")
        .push_back({{"key", key},
                    {"operator", "Exists"},
                    {"effect", "NoExecute"},
                    {"tolerationSeconds", kTolerationSeconds}});
  }
  co_return ApiResult<>();
}

Task<ApiResult<>> TaintNodesByCondition::admit(AdmissionRequest& request) {
  if (!is_on(request, "", "nodes")) co_return ApiResult<>();
  json::array& taints = make_array(make_object(*request.object, {"spec"}), "taints");
  const auto same = [](const json::value& item) {
    return item.is_object() && text_at(item.get_object(), {"key"}) == kNotReady &&
           text_at(item.get_object(), {"effect"}) == "NoSchedule";
  };
  if (std::ranges::none_of(taints, same)) taints.push_back({{"key", kNotReady}, {"effect", "NoSchedule"}});
  co_return ApiResult<>();
}

Task<ApiResult<>> StorageObjectInUseProtection::admit(AdmissionRequest& request) {
  if (is_on(request, "", "persistentvolumeclaims"))
    add_finalizer(*request.object, "kubernetes.io/pvc-protection");
  if (is_on(request, "", "persistentvolumes")) add_finalizer(*request.object, "kubernetes.io/pv-protection");
  co_return ApiResult<>();
}

DefaultClass::Kind DefaultClass::storage_class() {
  return {.plugin = "DefaultStorageClass",
          .object = {"", "persistentvolumeclaims"},
          .field = "storageClassName",
          .legacy_annotation = "volume.beta.kubernetes.io/storage-class",
          .classes = {"storage.k8s.io", "storageclasses"},
          .default_annotation = "storageclass.kubernetes.io/is-default-class"};
}

DefaultClass::Kind DefaultClass::ingress_class() {
  return {.plugin = "DefaultIngressClass",
          .object = {"networking.k8s.io", "ingresses"},
          .field = "ingressClassName",
          .legacy_annotation = "kubernetes.io/ingress.class",
          .classes = {"networking.k8s.io", "ingressclasses"},
          .default_annotation = "ingressclass.kubernetes.io/is-default-class"};
}

Task<ApiResult<>> DefaultClass::admit(AdmissionRequest& request) {
  if (!is_on(request, kind_.object.group, kind_.object.resource)) co_return ApiResult<>();
  // An empty name says that no class is wanted.
  if (find(*request.object, {"spec", kind_.field}) ||
      find(*request.object, {"metadata", "annotations", kind_.legacy_annotation})) {
    co_return ApiResult<>();
  }
  ObjectPtr newest;
  for (const ObjectPtr& item : CO_TRY(co_await objects_.list(kind_.classes, ""))) {
    if (text_at(*item, {"metadata", "annotations", kind_.default_annotation}) != "true") continue;
    // Times of creation in RFC 3339 order as text; the list is in order of names.
    if (!newest || text_at(*item, {"metadata", "creationTimestamp"}) >
                       text_at(*newest, {"metadata", "creationTimestamp"}))
      newest = item;
  }
  if (newest) make_object(*request.object, {"spec"})[kind_.field] = name_of(*newest);
  co_return ApiResult<>();
}

Task<ApiResult<>> RuntimeClass::admit(AdmissionRequest& request) {
  if (!is_on(request, "", "pods")) co_return ApiResult<>();
  json::object& spec = make_object(*request.object, {"spec"});
  const std::string name(text_at(spec, {"runtimeClassName"}));
  if (name.empty()) co_return ApiResult<>();
  const auto found = co_await objects_.get({"node.k8s.io", "runtimeclasses"}, "", name);
  if (!found) co_return refuse(request, fmt::format("pod rejected: RuntimeClass {} not found", quote(name)));
  if (const json::value* overhead = find(**found, {"overhead", "podFixed"})) {
    const json::value* given = spec.if_contains("overhead");
    if (given && *given != *overhead)
      co_return refuse(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    spec["overhead"] = *overhead;
  }
  if (const json::object* selector = object_at(**found, {"scheduling", "nodeSelector"})) {
    json::object& wanted = make_object(spec, {"nodeSelector"});
    for (const auto& [key, value] : *selector) {
      const json::value* given = wanted.if_contains(key);
      if (given && *given != value)
        co_return refuse(
            request,
            fmt::format("conflict: runtimeClass.scheduling.nodeSelector[{0}] = {1}; pod.spec.nodeSelector"
                        "[{0}] = {2}",
                        std::string_view(key), text_at(*selector, {key}), text_at(wanted, {key})));
      wanted[key] = value;
    }
  }
  add_tolerations(spec, array_at(**found, {"scheduling", "tolerations"}));
  co_return ApiResult<>();
}

Task<ApiResult<>> RuntimeClass::validate(const AdmissionRequest& request) {
  if (!is_on(request, "", "pods") || !text_at(*request.object, {"spec", "runtimeClassName"}).empty())
    co_return ApiResult<>();
  const json::object* overhead = object_at(*request.object, {"spec", "overhead"});
  if (overhead && !overhead->empty())
    co_return refuse(request,
                     "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
  co_return ApiResult<>();
}

Task<ApiResult<>> PersistentVolumeClaimResize::validate(const AdmissionRequest& request) {
  if (!is_on(request, "", "persistentvolumeclaims")) co_return ApiResult<>();
  const auto size_of = [](const json::object& claim) {
    return schema::Quantity(std::string(text_at(claim, {"spec", "resources", "requests", "storage"})));
  };
  if (schema::compare(size_of(*request.object), size_of(*request.old_object)) <= 0) co_return ApiResult<>();
  if (text_at(*request.old_object, {"status", "phase"}) != "Bound")
    co_return refuse(request, "Only bound persistent volume claims can be expanded");
  const std::string name(text_at(*request.object, {"spec", "storageClassName"}));
  const auto found = co_await objects_.get({"storage.k8s.io", "storageclasses"}, "", name);
  if (name.empty() || !found || !truth_at(**found, {"allowVolumeExpansion"}))
    co_return refuse(
        request,
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc "
        "must support resize");
  co_return ApiResult<>();
}

Task<ApiResult<>> PrivilegedContainers::validate(const AdmissionRequest& request) {
  const PodPlace* place = pod_place(request.group, request.resource);
  const bool concerned = request.subresource.empty() || request.subresource == "ephemeralcontainers";
  const json::object* pod = place && concerned ? place->in(*request.object) : nullptr;
  if (!pod) co_return ApiResult<>();
  std::vector<StatusCause> causes;
  for (const char* list : {"initContainers", "containers", "ephemeralContainers"}) {
    size_t index = 0;
    for (const json::value& container : array_at(*pod, {"spec", list})) {
      if (container.is_object() && truth_at(container.get_object(), {"securityContext", "privileged"})) {
        causes.push_back({"FieldValueForbidden", "Forbidden: disallowed by cluster policy",
                          fmt::format("{}[{}].securityContext.privileged",
                                      place->field(fmt::format("spec.{}", list)), index)});
      }
      ++index;
    }
  }
  if (causes.empty()) co_return ApiResult<>();
  co_return std::unexpected(invalid(request.group, request.kind, request.name, std::move(causes)));
}

}  // namespace cloudless::apiserver::admission
