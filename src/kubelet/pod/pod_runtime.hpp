// What the container runtime has of one pod, and the labels by which its sandboxes and containers are told
// apart. The labels and annotations are upstream's (pkg/kubelet/types/labels.go,
// pkg/kubelet/kuberuntime/labels.go), so that crictl and other tools read them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/core_v1.hpp"
#include "kubelet/cri/cri.hpp"

namespace cloudless::kubelet {

namespace core = api::core::v1;

inline constexpr std::string_view kPodNameLabel = "io.kubernetes.pod.name";
inline constexpr std::string_view kPodNamespaceLabel = "io.kubernetes.pod.namespace";
inline constexpr std::string_view kPodUidLabel = "io.kubernetes.pod.uid";
inline constexpr std::string_view kContainerNameLabel = "io.kubernetes.container.name";

inline constexpr std::string_view kHashAnnotation = "io.kubernetes.container.hash";
inline constexpr std::string_view kRestartCountAnnotation = "io.kubernetes.container.restartCount";
inline constexpr std::string_view kTerminationPathAnnotation =
    "io.kubernetes.container.terminationMessagePath";
inline constexpr std::string_view kTerminationPolicyAnnotation =
    "io.kubernetes.container.terminationMessagePolicy";
inline constexpr std::string_view kGracePeriodAnnotation = "io.kubernetes.pod.terminationGracePeriod";
inline constexpr std::string_view kPreStopAnnotation = "io.kubernetes.container.preStopHandler";

// Of pods rather than containers (pkg/kubelet/types/pod_update.go).
inline constexpr std::string_view kConfigSourceAnnotation = "kubernetes.io/config.source";
inline constexpr std::string_view kConfigHashAnnotation = "kubernetes.io/config.hash";
inline constexpr std::string_view kConfigMirrorAnnotation = "kubernetes.io/config.mirror";
inline constexpr std::string_view kConfigSeenAnnotation = "kubernetes.io/config.seen";

/// The value of a label or annotation; empty where it has none.
std::string label_of(const cri::Labels& labels, std::string_view name);

struct RuntimeContainer {
  std::string sandbox_id;
  cri::ContainerStatus status;
};

/// One pod as the runtime has it. Sandboxes and containers stand newest first.
struct PodRuntime {
  std::vector<cri::SandboxStatus> sandboxes;
  std::vector<RuntimeContainer> containers;

  const cri::SandboxStatus* newest_sandbox() const {
    return sandboxes.empty() ? nullptr : &sandboxes.front();
  }
  /// The newest container of that name; null where there is none.
  const RuntimeContainer* newest(std::string_view name) const;
  const RuntimeContainer* find(std::string_view id) const;
  bool any_running() const;
};

/// Reads all that the runtime has of a pod.
runtime::Task<Result<PodRuntime>> read_pod_runtime(cri::RuntimeService& service, std::string uid);

/// The runtime's part of upstream's container IDs: "containerd://<id>".
std::string container_id_text(std::string_view id);

/// A number that changes with what of a container's spec asks for a new one: its name and image.
std::string container_hash(const core::Container& container);

/// "name_namespace(uid)", as events and reasons name pods.
std::string pod_text(const core::Pod& pod);

/// A static pod or mirror pod, told by its annotations.
bool is_static_pod(const core::Pod& pod);
bool is_mirror_pod(const core::Pod& pod);

/// An init container that goes on running beside the others (KEP-753).
bool is_sidecar(const core::Container& container);

}  // namespace cloudless::kubelet
