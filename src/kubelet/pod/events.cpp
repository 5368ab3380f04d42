#include "kubelet/pod/events.hpp"

#include <algorithm>

namespace cloudless::kubelet {

client::EventText pod_event(const core::Pod& pod, client::EventLevel level, std::string reason,
                            std::string message) {
  return {.about = {.api_version = "v1",
                    .kind = "Pod",
                    .ns = pod.metadata.namespace_,
                    .name = pod.metadata.name,
                    .uid = pod.metadata.uid,
                    .resource_version = pod.metadata.resourceVersion},
          .level = level,
          .reason = std::move(reason),
          .message = std::move(message)};
}

client::EventText container_event(const core::Pod& pod, const std::string& container,
                                  client::EventLevel level, std::string reason, std::string message) {
  client::EventText event = pod_event(pod, level, std::move(reason), std::move(message));
  const bool is_init = std::ranges::any_of(
      pod.spec.initContainers, [&](const core::Container& init) { return init.name == container; });
  event.about.field_path = fmt::format("spec.{}{{{}}}", is_init ? "initContainers" : "containers", container);
  return event;
}

}  // namespace cloudless::kubelet
