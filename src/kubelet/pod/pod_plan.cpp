#include "kubelet/pod/pod_plan.hpp"

#include <algorithm>

namespace cloudless::kubelet {

namespace {

using Kind = PodAction::Kind;
using cri::ContainerState;

bool is_alive(const RuntimeContainer& container) {
  return container.status.state == ContainerState::kRunning ||
         container.status.state == ContainerState::kUnknown;
}

std::chrono::seconds seconds_until(WallTime deadline, WallTime now) {
  return std::max(std::chrono::ceil<std::chrono::seconds>(deadline - now), std::chrono::seconds(0));
}

class Planner {
 public:
  explicit Planner(const PodView& view) : view_(view), spec_(view.pod.spec) {}

  PodPlan run() {
    if (view_.termination) {
      plan_end(view_.now + remaining_grace(), "");
      return std::move(plan_);
    }
    if (view_.failure) {
      plan_.finished = true;
      plan_stop(view_.now + spec_grace());
      return std::move(plan_);
    }
    plan_life();
    prune_dead();
    return std::move(plan_);
  }

 private:
  // --- what to ask for ---

  bool busy(const std::string& key) const { return view_.busy.contains(key); }

  void ask(PodAction action) {
    if (!busy(action.key())) plan_.actions.push_back(std::move(action));
  }

  void look_again_at(WallTime when) {
    const Duration delay = std::max<Duration>(when - view_.now, std::chrono::milliseconds(1));
    plan_.look_again = plan_.look_again ? std::min(*plan_.look_again, delay) : delay;
  }

  // True once `when` has passed; otherwise a new plan is asked for at that time.
  bool is_due(std::optional<WallTime> when) {
    if (!when || *when <= view_.now) return true;
    look_again_at(*when);
    return false;
  }

  void kill(const RuntimeContainer& container, WallTime deadline, std::string reason) {
    const auto known = view_.kill_deadlines.find(container.status.id);
    if (known != view_.kill_deadlines.end() && known->second <= deadline + std::chrono::seconds(1)) return;
    plan_.actions.push_back({.kind = Kind::kKillContainer,
                             .id = container.status.id,
                             .container = container.status.name,
                             .grace = seconds_until(deadline, view_.now),
                             .reason = std::move(reason)});
  }

  // --- the end of a pod ---

  std::chrono::seconds spec_grace() const {
    return std::chrono::seconds(spec_.terminationGracePeriodSeconds.value_or(30));
  }
  std::chrono::seconds remaining_grace() const {
    return seconds_until(view_.termination->since + view_.termination->grace, view_.now);
  }

  const core::Container* sidecar(const std::string& name) const {
    for (const core::Container& container : spec_.initContainers) {
      if (container.name == name && is_sidecar(container)) return &container;
    }
    return nullptr;
  }

  // Ordinary containers first; sidecars when those have ended, the last one first (KEP-753). False while any
  // lives.
  bool all_ended(WallTime deadline, const std::string& reason) {
    std::vector<const RuntimeContainer*> sidecars;
    bool ended = true;
    for (const RuntimeContainer& container : view_.runtime.containers) {
      if (!is_alive(container)) continue;
      if (sidecar(container.status.name)) {
        sidecars.push_back(&container);
        continue;
      }
      ended = false;
      kill(container, deadline, reason);
    }
    if (!ended || sidecars.empty()) return ended;
    const auto position = [this](const RuntimeContainer* container) {
      return sidecar(container->status.name) - spec_.initContainers.data();
    };
    kill(**std::ranges::max_element(sidecars, {}, position), deadline, reason);
    return false;
  }

  // A job that makes something (a sandbox, a container) must come to its end before what it made can be
  // ended.
  bool anything_in_the_making() const {
    return std::ranges::any_of(view_.busy, [](const std::string& key) {
      return key == "sandbox" || key == "volumes" || key.starts_with("start/") || key.starts_with("kill/");
    });
  }

  // Kills what runs and stops sandboxes; true once nothing is left to stop.
  bool plan_stop(WallTime deadline, const std::string& reason = "") {
    if (!all_ended(deadline, reason) || anything_in_the_making()) return false;
    bool stopped = true;
    for (const cri::SandboxStatus& status : view_.runtime.sandboxes) {
      if (status.sandbox.state != cri::SandboxState::kReady) continue;
      stopped = false;
      ask({.kind = Kind::kStopSandbox, .id = status.sandbox.id});
    }
    return stopped;
  }

  void plan_end(WallTime deadline, const std::string& reason) {
    plan_.finished = true;
    if (plan_stop(deadline, reason)) ask({.kind = Kind::kCleanUp});
  }

  // --- the life of a pod ---

  void plan_life() {
    if (is_complete()) {
      plan_.finished = true;
      plan_stop(view_.now + spec_grace());
      return;
    }
    if (!view_.volumes_ready) {
      if (is_due(view_.volumes_retry_at)) ask({.kind = Kind::kMountVolumes});
      return;
    }
    const cri::SandboxStatus* sandbox = view_.runtime.newest_sandbox();
    if (!is_usable(sandbox)) {
      plan_sandbox(sandbox);
      return;
    }
    sandbox_id_ = sandbox->sandbox.id;
    if (plan_init_containers()) plan_main_containers();
  }

  bool is_usable(const cri::SandboxStatus* sandbox) const {
    if (!sandbox || sandbox->sandbox.state != cri::SandboxState::kReady) return false;
    return spec_.hostNetwork || !sandbox->ips.empty();
  }

  void plan_sandbox(const cri::SandboxStatus* lost) {
    if (lost && !plan_stop(view_.now + spec_grace(), "")) return;
    if (busy("sandbox") || !is_due(view_.sandbox_retry_at)) return;
    ask({.kind = Kind::kCreateSandbox, .attempt = lost ? lost->sandbox.metadata.attempt + 1 : 0});
  }

  // The newest container of that name in the present sandbox.
  const RuntimeContainer* present(const std::string& name) const {
    const RuntimeContainer* newest = view_.runtime.newest(name);
    return newest && newest->sandbox_id == sandbox_id_ ? newest : nullptr;
  }

  bool restarts(const core::Container& container, ContainerRole role, int exit_code) const {
    if (role == ContainerRole::kInit && is_sidecar(container)) return true;
    if (role == ContainerRole::kEphemeral) return false;
    if (spec_.restartPolicy == "Never") return false;
    if (spec_.restartPolicy == "OnFailure" || role == ContainerRole::kInit) return exit_code != 0;
    return true;
  }

  // All containers have ended for good, or an init container has failed for good.
  bool is_complete() const {
    for (const core::Container& container : spec_.initContainers) {
      const RuntimeContainer* newest = view_.runtime.newest(container.name);
      if (is_sidecar(container) || !newest || newest->status.state != ContainerState::kExited) continue;
      if (newest->status.exit_code != 0 &&
          !restarts(container, ContainerRole::kInit, newest->status.exit_code))
        return true;
    }
    return std::ranges::all_of(spec_.containers, [this](const core::Container& container) {
      const RuntimeContainer* newest = view_.runtime.newest(container.name);
      return newest && newest->status.state == ContainerState::kExited && !busy(start_key(container.name)) &&
             !restarts(container, ContainerRole::kMain, newest->status.exit_code);
    });
  }

  static std::string start_key(const std::string& name) {
    return PodAction{.kind = Kind::kStartContainer, .container = name}.key();
  }

  // Asks for a start unless a back-off forbids it now.
  void start(const core::Container& container, ContainerRole role) {
    if (busy(start_key(container.name))) return;
    const RuntimeContainer* last = view_.runtime.newest(container.name);
    const auto note = view_.notes.find(container.name);
    if (note != view_.notes.end()) {
      if (last && last->status.state == ContainerState::kExited) {
        const WallTime earliest = note->second.backoff.earliest(wall_time(last->status.finished_at));
        if (earliest > view_.now) {
          plan_.crash_loops[container.name] = note->second.backoff.delay;
          look_again_at(earliest);
          return;
        }
      }
      if (!is_due(note->second.retry_at)) return;
    }
    ask({.kind = Kind::kStartContainer,
         .container = container.name,
         .role = role,
         .attempt = last ? last->status.attempt + 1 : 0});
  }

  // A running container that must not go on: its spec has changed, or a probe has failed.
  bool kill_if_unfit(const RuntimeContainer& running, const core::Container& container) {
    const std::string hash = label_of(running.status.annotations, kHashAnnotation);
    const WallTime deadline = view_.now + spec_grace();
    if (!hash.empty() && hash != container_hash(container)) {
      kill(running, deadline,
           fmt::format("Container {} definition changed, will be restarted", container.name));
      return true;
    }
    const auto verdict = view_.probes.find(running.status.id);
    if (verdict == view_.probes.end() || verdict->second.failed_probe.empty()) return false;
    kill(running, probe_deadline(container, verdict->second.failed_probe),
         fmt::format("Container {} failed {} probe, will be restarted", container.name,
                     verdict->second.failed_probe));
    return true;
  }

  WallTime probe_deadline(const core::Container& container, const std::string& which) const {
    const auto& probe = which == "startup" ? container.startupProbe : container.livenessProbe;
    if (probe && probe->terminationGracePeriodSeconds)
      return view_.now + std::chrono::seconds(*probe->terminationGracePeriodSeconds);
    return view_.now + spec_grace();
  }

  bool has_started(const RuntimeContainer& container) const {
    const auto verdict = view_.probes.find(container.status.id);
    return verdict == view_.probes.end() || verdict->second.started;
  }

  // In order, each after the one before has succeeded (a sidecar: has started). True once all have.
  bool plan_init_containers() {
    // Init containers do not run again once the containers proper have begun in this sandbox.
    const bool past = std::ranges::any_of(spec_.containers, [this](const core::Container& container) {
      return present(container.name) != nullptr;
    });
    bool all_done = true;
    for (const core::Container& container : spec_.initContainers) {
      if (past && !is_sidecar(container)) continue;
      if (!plan_init_container(container)) {
        if (!past) return false;
        all_done = false;
      }
    }
    return all_done || past;
  }

  bool plan_init_container(const core::Container& container) {
    const RuntimeContainer* last = present(container.name);
    if (last && is_alive(*last)) {
      if (kill_if_unfit(*last, container)) return false;
      return is_sidecar(container) && has_started(*last) && !busy(start_key(container.name));
    }
    if (last && last->status.state == ContainerState::kExited && last->status.exit_code == 0 &&
        !is_sidecar(container))
      return true;
    start(container, ContainerRole::kInit);
    return false;
  }

  void plan_main_containers() {
    for (const core::Container& container : spec_.containers) {
      const RuntimeContainer* last = present(container.name);
      if (last && is_alive(*last)) {
        kill_if_unfit(*last, container);
        continue;
      }
      const RuntimeContainer* ever = view_.runtime.newest(container.name);
      if (ever && ever->status.state == ContainerState::kExited &&
          !restarts(container, ContainerRole::kMain, ever->status.exit_code))
        continue;
      start(container, ContainerRole::kMain);
    }
  }

  // Of the dead, one per container is kept for its log and state; sandboxes go with their last container.
  void prune_dead() {
    std::set<std::string> kept_names;
    std::set<std::string> used_sandboxes;
    for (const RuntimeContainer& container : view_.runtime.containers) {
      const bool dead = container.status.state == ContainerState::kExited;
      if (!dead || kept_names.insert(container.status.name).second) {
        used_sandboxes.insert(container.sandbox_id);
        continue;
      }
      ask({.kind = Kind::kRemoveContainer, .id = container.status.id});
    }
    for (size_t i = 1; i < view_.runtime.sandboxes.size(); ++i) {
      const cri::Sandbox& old = view_.runtime.sandboxes[i].sandbox;
      if (old.state == cri::SandboxState::kNotReady && !used_sandboxes.contains(old.id))
        ask({.kind = Kind::kRemoveSandbox, .id = old.id});
    }
  }

  const PodView& view_;
  const core::PodSpec& spec_;
  std::string sandbox_id_;
  PodPlan plan_;
};

}  // namespace

WallTime RestartBackoff::earliest(WallTime finished) const {
  if (delay == Duration(0) || finished - last_update > 2 * kMax) return finished;
  return finished + delay;
}

void RestartBackoff::count(WallTime finished, WallTime now) {
  const bool forgotten = delay == Duration(0) || finished - last_update > 2 * kMax;
  delay = forgotten ? Duration(kInitial) : std::min<Duration>(delay * 2, kMax);
  last_update = now;
}

std::string PodAction::key() const {
  switch (kind) {
    case Kind::kMountVolumes:
      return "volumes";
    case Kind::kCreateSandbox:
      return "sandbox";
    case Kind::kStopSandbox:
      return "stop/" + id;
    case Kind::kRemoveSandbox:
    case Kind::kRemoveContainer:
      return "remove/" + id;
    case Kind::kStartContainer:
      return "start/" + container;
    case Kind::kKillContainer:
      return "kill/" + id;
    case Kind::kCleanUp:
      return "clean-up";
  }
  return {};
}

PodPlan plan_pod(const PodView& view) { return Planner(view).run(); }

std::string crash_loop_message(const core::Pod& pod, const std::string& container, Duration delay) {
  return fmt::format("back-off {} restarting failed container={} pod={}", format_duration(delay), container,
                     pod_text(pod));
}

WallTime wall_time(int64_t nanoseconds) { return WallTime(std::chrono::nanoseconds(nanoseconds)); }

}  // namespace cloudless::kubelet
