// The life of a pod on a node, as a pure function: from the pod, what the runtime has of it and what the
// worker remembers, to what is to be done now. It mirrors upstream's computePodActions
// (pkg/kubelet/kuberuntime).
//
//   mount volumes -> create sandbox -> init containers in order -> containers   (restart with back-off)
//        ^                 ^  sandbox lost: kill what runs, make another one
//        |                 |
//   any time: termination -> kill (containers, then sidecars backwards) -> stop sandbox -> clean up
//
// Each action is a job with a key; a job that runs is in PodView::busy and is not asked for again. The caller
// reads the runtime after the jobs that have ended, so that a plan never asks twice for the same thing.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/pod/pod_runtime.hpp"

namespace cloudless::kubelet {

/// CrashLoopBackOff: the first restart is at once, then after 10 s, 20 s, ... 5 min from the container's end;
/// forgotten when twice the maximum has passed without a restart.
struct RestartBackoff {
  static constexpr std::chrono::seconds kInitial{10};
  static constexpr std::chrono::seconds kMax{300};

  Duration delay{0};
  WallTime last_update;

  /// When a container that ended at `finished` may start again.
  WallTime earliest(WallTime finished) const;
  /// Counts a restart at `now` of what ended at `finished`.
  void count(WallTime finished, WallTime now);
};

enum class ContainerRole { kInit, kMain, kEphemeral };

/// What the worker remembers of a container by name.
struct ContainerNote {
  std::string waiting_reason;  // why the last start failed: "ErrImagePull", "CreateContainerConfigError"
  std::string waiting_message;
  std::optional<WallTime> retry_at;  // not to be started before
  RestartBackoff backoff;
};

/// What probes say of a running container, by its id.
struct ProbeVerdict {
  bool started = true;  // its startup probe, if any, has passed
  bool ready = true;
  /// Set once liveness or startup has failed for good: "liveness", "startup".
  std::string failed_probe;
};

/// Why a pod ends although its containers would go on.
struct Termination {
  std::chrono::seconds grace{30};
  WallTime since;
};

struct PodFailure {
  std::string reason;  // "DeadlineExceeded", "Evicted"
  std::string message;
};

struct PodView {
  const core::Pod& pod;
  const PodRuntime& runtime;
  WallTime now;
  bool volumes_ready = false;
  std::optional<WallTime> volumes_retry_at;
  std::optional<WallTime> sandbox_retry_at;
  std::map<std::string, ContainerNote> notes;
  std::map<std::string, ProbeVerdict> probes;
  std::set<std::string> busy;
  /// By when a container that is being killed is dead, by id.
  std::map<std::string, WallTime> kill_deadlines;
  std::optional<Termination> termination;
  std::optional<PodFailure> failure;
};

struct PodAction {
  enum class Kind {
    kMountVolumes,
    kCreateSandbox,    // attempt
    kStopSandbox,      // id
    kRemoveSandbox,    // id
    kStartContainer,   // container, role, attempt
    kKillContainer,    // id, container, grace, reason
    kRemoveContainer,  // id
    kCleanUp,          // nothing runs any more: volumes, cgroup and what the runtime keeps go
  };
  Kind kind;
  std::string id;
  std::string container;
  ContainerRole role = ContainerRole::kMain;
  uint32_t attempt = 0;
  std::chrono::seconds grace{0};
  std::string reason;  // for the Killing event: "" or "Container x failed liveness probe, will be restarted"

  /// One job of a key runs at a time.
  std::string key() const;
  friend bool operator==(const PodAction&, const PodAction&) = default;
};

struct PodPlan {
  std::vector<PodAction> actions;
  /// Containers that wait for their back-off, and the time they wait in all.
  std::map<std::string, Duration> crash_loops;
  /// All is done that will ever be: containers have ended for good (not yet cleaned up).
  bool finished = false;
  /// Plan again after this even if nothing changes.
  std::optional<Duration> look_again;
};

PodPlan plan_pod(const PodView& view);

/// "back-off 10s restarting failed container=c pod=p_ns(uid)".
std::string crash_loop_message(const core::Pod& pod, const std::string& container, Duration delay);

/// A CRI time (nanoseconds since the epoch).
WallTime wall_time(int64_t nanoseconds);

}  // namespace cloudless::kubelet
