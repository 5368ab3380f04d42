#include "apiserver/admission/pod_edits.hpp"

namespace cloudless::apiserver::admission {

bool is_mirror_pod(const json::object& pod) {
  return find(pod, {"metadata", "annotations", kMirrorPodAnnotation}) != nullptr;
}

json::array& make_array(json::object& parent, std::string_view name) {
  json::value& value = parent[name];
  if (!value.is_array()) value.emplace_array();
  return value.get_array();
}

void for_each_container(json::object& spec, const std::function<void(json::object& container)>& visit) {
  for (const std::string_view list : {"initContainers", "containers"}) {
    json::value* containers = spec.if_contains(list);
    if (!containers || !containers->is_array()) continue;
    for (json::value& container : containers->get_array()) {
      if (container.is_object()) visit(container.get_object());
    }
  }
}

void for_each_container(
    const json::object& spec,
    const std::function<void(const json::object& container, std::string_view list)>& visit) {
  for (const std::string_view list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (const json::value& container : array_at(spec, {list})) {
      if (container.is_object()) visit(container.get_object(), list);
    }
  }
}

}  // namespace cloudless::apiserver::admission
