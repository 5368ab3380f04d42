#include "kubelet/pod/pod_runtime.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace cloudless::kubelet {

std::string label_of(const cri::Labels& labels, std::string_view name) {
  const auto found = labels.find(std::string(name));
  return found == labels.end() ? std::string() : found->second;
}

const RuntimeContainer* PodRuntime::newest(std::string_view name) const {
  for (const RuntimeContainer& container : containers) {
    if (container.status.name == name) return &container;
  }
  return nullptr;
}

const RuntimeContainer* PodRuntime::find(std::string_view id) const {
  for (const RuntimeContainer& container : containers) {
    if (container.status.id == id) return &container;
  }
  return nullptr;
}

bool PodRuntime::any_running() const {
  return std::ranges::any_of(containers, [](const RuntimeContainer& container) {
    return container.status.state == cri::ContainerState::kRunning;
  });
}

runtime::Task<Result<PodRuntime>> read_pod_runtime(cri::RuntimeService& service, std::string uid) {
  const cri::Labels of_pod{{std::string(kPodUidLabel), uid}};
  PodRuntime found;
  for (const cri::Sandbox& sandbox : CO_TRY(co_await service.list_sandboxes(of_pod))) {
    auto status = co_await service.sandbox_status(sandbox.id);
    if (status)
      found.sandboxes.push_back(std::move(*status));
    else if (status.error().code != Code::kNotFound)
      co_return std::unexpected(status.error());
  }
  for (const cri::Container& container : CO_TRY(co_await service.list_containers(of_pod))) {
    auto status = co_await service.container_status(container.id);
    if (status)
      found.containers.push_back({container.sandbox_id, std::move(*status)});
    else if (status.error().code != Code::kNotFound)
      co_return std::unexpected(status.error());
  }
  std::ranges::sort(found.sandboxes, std::ranges::greater(),
                    [](const cri::SandboxStatus& s) { return s.sandbox.created_at; });
  std::ranges::sort(found.containers, std::ranges::greater(),
                    [](const RuntimeContainer& c) { return c.status.created_at; });
  co_return found;
}

std::string container_id_text(std::string_view id) { return fmt::format("containerd://{}", id); }

std::string container_hash(const core::Container& container) {
  return fmt::format("{:x}", fnv1a_32(container.name + '\n' + container.image));
}

std::string pod_text(const core::Pod& pod) {
  return fmt::format("{}_{}({})", pod.metadata.name, pod.metadata.namespace_, pod.metadata.uid);
}

bool is_static_pod(const core::Pod& pod) {
  const std::string source = label_of(pod.metadata.annotations, kConfigSourceAnnotation);
  return !source.empty() && source != "api";
}

bool is_mirror_pod(const core::Pod& pod) {
  return pod.metadata.annotations.contains(std::string(kConfigMirrorAnnotation));
}

bool is_sidecar(const core::Container& container) {
  return container.restartPolicy && *container.restartPolicy == "Always";
}

}  // namespace cloudless::kubelet
