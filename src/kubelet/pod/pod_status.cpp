#include "kubelet/pod/pod_status.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace cloudless::kubelet {

namespace {

using cri::ContainerState;

schema::Time time_of(int64_t nanoseconds) {
  if (nanoseconds == 0) return std::nullopt;
  return wall_time(nanoseconds);
}

// What has ended badly, or well, in the words of the kubelet where the runtime has none.
std::string ended_reason(const cri::ContainerStatus& status) {
  if (!status.reason.empty()) return status.reason;
  return status.exit_code == 0 ? "Completed" : "Error";
}

class StatusMaker {
 public:
  explicit StatusMaker(const StatusInput& input)
      : input_(input), view_(input.view), pod_(input.view.pod), spec_(input.view.pod.spec) {}

  core::PodStatus run() {
    status_.observedGeneration = pod_.metadata.generation;
    status_.qosClass = qos_class_of(pod_);
    status_.startTime = input_.previous.startTime ? input_.previous.startTime : schema::Time(view_.now);
    fill_addresses();
    for (const core::Container& container : spec_.initContainers)
      status_.initContainerStatuses.push_back(make(container));
    for (const core::Container& container : spec_.containers)
      status_.containerStatuses.push_back(make(container));
    mark_readiness();
    fill_phase();
    fill_conditions();
    return std::move(status_);
  }

 private:
  // --- containers ---

  core::ContainerState ended_state(const cri::ContainerStatus& status) const {
    core::ContainerState state;
    core::ContainerStateTerminated& terminated = state.terminated.emplace();
    terminated.exitCode = status.exit_code;
    terminated.reason = ended_reason(status);
    terminated.message = status.message;
    const auto message = input_.termination_messages.find(status.id);
    if (message != input_.termination_messages.end()) terminated.message = message->second;
    terminated.startedAt = time_of(status.started_at);
    terminated.finishedAt = time_of(status.finished_at);
    terminated.containerID = container_id_text(status.id);
    return state;
  }

  static core::ContainerState waiting_state(std::string reason, std::string message = {}) {
    core::ContainerState state;
    state.waiting.emplace();
    state.waiting->reason = std::move(reason);
    state.waiting->message = std::move(message);
    return state;
  }

  // Before the first start: "PodInitializing" while init containers are at work, else "ContainerCreating".
  std::string default_waiting_reason() const {
    return spec_.initContainers.empty() ? "ContainerCreating" : "PodInitializing";
  }

  bool is_init(const core::Container& container) const {
    return std::ranges::any_of(spec_.initContainers,
                               [&](const core::Container& other) { return other.name == container.name; });
  }

  // Why the container is not running although it will be; nothing where it has ended for good or runs.
  std::optional<core::ContainerState> waiting_of(const core::Container& container) const {
    const auto loop = input_.plan.crash_loops.find(container.name);
    if (loop != input_.plan.crash_loops.end())
      return waiting_state("CrashLoopBackOff", crash_loop_message(pod_, container.name, loop->second));
    const auto note = view_.notes.find(container.name);
    if (note != view_.notes.end() && !note->second.waiting_reason.empty())
      return waiting_state(note->second.waiting_reason, note->second.waiting_message);
    return std::nullopt;
  }

  core::ContainerStatus make(const core::Container& container) const {
    core::ContainerStatus status;
    status.name = container.name;
    status.image = container.image;
    const RuntimeContainer* newest = view_.runtime.newest(container.name);
    if (!newest) {
      status.state = waiting_of(container).value_or(waiting_state(default_waiting_reason()));
      status.started = false;
      return status;
    }
    fill_from_runtime(container, newest->status, status);
    if (const RuntimeContainer* before = previous_of(*newest); before && !status.lastState.terminated)
      status.lastState = ended_state(before->status);
    return status;
  }

  void fill_from_runtime(const core::Container& container, const cri::ContainerStatus& runtime,
                         core::ContainerStatus& status) const {
    status.restartCount = static_cast<int32_t>(runtime.attempt);
    status.containerID = container_id_text(runtime.id);
    status.imageID = runtime.image_ref;
    if (!runtime.image.empty()) status.image = runtime.image;
    const bool live = runtime.state == ContainerState::kRunning;
    const auto verdict = view_.probes.find(runtime.id);
    status.started = live && (verdict == view_.probes.end() || verdict->second.started);
    if (live) {
      status.state.running.emplace().startedAt = time_of(runtime.started_at);
      // An ordinary init container is ready when it has done its work.
      const bool serves = !is_init(container) || is_sidecar(container);
      status.ready = serves && *status.started && (verdict == view_.probes.end() || verdict->second.ready);
      return;
    }
    if (runtime.state == ContainerState::kExited) {
      const auto waiting = waiting_of(container);
      if (waiting) {
        status.state = *waiting;
        status.lastState = ended_state(runtime);
      } else {
        status.state = ended_state(runtime);
      }
      // An init container that has succeeded is ready.
      status.ready = is_init(container) && !is_sidecar(container) && runtime.exit_code == 0 && !waiting;
      return;
    }
    status.state = waiting_of(container).value_or(waiting_state(default_waiting_reason()));
  }

  const RuntimeContainer* previous_of(const RuntimeContainer& newest) const {
    for (const RuntimeContainer& container : view_.runtime.containers) {
      if (&container != &newest && container.status.name == newest.status.name &&
          container.status.state == ContainerState::kExited)
        return &container;
    }
    return nullptr;
  }

  bool init_done() const {
    for (size_t i = 0; i < spec_.initContainers.size(); ++i) {
      const core::ContainerStatus& status = status_.initContainerStatuses[i];
      const bool done = is_sidecar(spec_.initContainers[i])
                            ? status.started.value_or(false)
                            : status.state.terminated && status.state.terminated->exitCode == 0;
      if (!done) return false;
    }
    return true;
  }

  void mark_readiness() {
    if (!view_.termination) return;
    // A pod on its way out is no endpoint, whatever its probes say.
    for (core::ContainerStatus& status : status_.containerStatuses) {
      if (!status.state.running) status.ready = false;
    }
  }

  // --- addresses ---

  void fill_addresses() {
    for (const std::string& ip : input_.host_ips) status_.hostIPs.emplace_back().ip = ip;
    if (!input_.host_ips.empty()) status_.hostIP = input_.host_ips.front();
    std::vector<std::string> ips;
    const cri::SandboxStatus* sandbox = view_.runtime.newest_sandbox();
    if (spec_.hostNetwork) {
      if (sandbox) ips = input_.host_ips;
    } else if (sandbox && sandbox->sandbox.state == cri::SandboxState::kReady) {
      ips = sandbox->ips;
    }
    for (const std::string& ip : ips) status_.podIPs.emplace_back().ip = ip;
    if (!ips.empty()) status_.podIP = ips.front();
  }

  // --- phase ---

  bool init_failed() const {
    for (size_t i = 0; i < spec_.initContainers.size(); ++i) {
      const auto& terminated = status_.initContainerStatuses[i].state.terminated;
      if (!is_sidecar(spec_.initContainers[i]) && terminated && terminated->exitCode != 0) return true;
    }
    return false;
  }

  std::string phase() const {
    if (spec_.restartPolicy == "Never" && init_failed()) return "Failed";
    int waiting = 0, running = 0, stopped = 0, succeeded = 0;
    for (const core::ContainerStatus& status : status_.containerStatuses) {
      if (status.state.running) {
        ++running;
      } else if (status.state.terminated) {
        ++stopped;
        if (status.state.terminated->exitCode == 0) ++succeeded;
      } else if (status.lastState.terminated) {
        ++stopped;
      } else {
        ++waiting;
      }
    }
    if (!init_done() && running == 0 && stopped == 0) return ended("Pending");
    if (waiting > 0) return ended("Pending");
    if (running > 0 || stopped == 0) return running > 0 ? "Running" : "Pending";
    if (view_.termination && !view_.runtime.any_running())
      return stopped == succeeded ? "Succeeded" : "Failed";
    if (spec_.restartPolicy == "Always") return "Running";
    if (stopped == succeeded) return "Succeeded";
    return spec_.restartPolicy == "Never" ? "Failed" : "Running";
  }

  // A pod that is taken down before its containers ever ran has failed.
  std::string ended(std::string otherwise) const {
    return view_.termination && !view_.runtime.any_running() && view_.runtime.containers.empty() ? "Failed"
                                                                                                 : otherwise;
  }

  void fill_phase() {
    if (input_.previous.phase == "Failed" || input_.previous.phase == "Succeeded") {
      status_.phase = input_.previous.phase;
      status_.reason = input_.previous.reason;
      status_.message = input_.previous.message;
    } else if (view_.failure) {
      status_.phase = "Failed";
      status_.reason = view_.failure->reason;
      status_.message = view_.failure->message;
    } else {
      status_.phase = phase();
    }
  }

  // --- conditions ---

  void add_condition(std::string type, bool value, std::string reason = {}, std::string message = {}) {
    core::PodCondition condition;
    condition.type = std::move(type);
    condition.status = value ? "True" : "False";
    condition.reason = std::move(reason);
    condition.message = std::move(message);
    condition.observedGeneration = pod_.metadata.generation;
    condition.lastTransitionTime = view_.now;
    for (const core::PodCondition& before : input_.previous.conditions) {
      if (before.type == condition.type && before.status == condition.status && before.lastTransitionTime)
        condition.lastTransitionTime = before.lastTransitionTime;
    }
    status_.conditions.push_back(std::move(condition));
  }

  static std::string list_text(const std::vector<std::string>& names) { return "[" + join(names, " ") + "]"; }

  void fill_conditions() {
    const cri::SandboxStatus* sandbox = view_.runtime.newest_sandbox();
    const bool sandbox_ready = sandbox && sandbox->sandbox.state == cri::SandboxState::kReady &&
                               (spec_.hostNetwork || !sandbox->ips.empty());
    add_condition("PodReadyToStartContainers", sandbox_ready);
    add_initialized();
    const auto [ready, reason, message] = containers_ready();
    add_ready(ready, reason, message);
    add_condition("ContainersReady", ready, reason, message);
    add_condition("PodScheduled", true);
    keep_foreign_conditions();
  }

  void add_initialized() {
    if (status_.phase == "Succeeded") return add_condition("Initialized", true, "PodCompleted");
    std::vector<std::string> incomplete;
    for (size_t i = 0; i < spec_.initContainers.size(); ++i) {
      const core::ContainerStatus& status = status_.initContainerStatuses[i];
      const bool done = is_sidecar(spec_.initContainers[i]) ? status.started.value_or(false) : status.ready;
      if (!done) incomplete.push_back(status.name);
    }
    // What runs already has been initialized, even if a sidecar starts anew.
    const bool past = std::ranges::any_of(status_.containerStatuses, [](const core::ContainerStatus& status) {
      return status.state.running || status.state.terminated || status.lastState.terminated;
    });
    if (incomplete.empty() || past) return add_condition("Initialized", true);
    add_condition("Initialized", false, "ContainersNotInitialized",
                  "containers with incomplete status: " + list_text(incomplete));
  }

  struct Readiness {
    bool ready;
    std::string reason;
    std::string message;
  };

  Readiness containers_ready() const {
    if (status_.phase == "Succeeded") return {false, "PodCompleted", ""};
    if (status_.phase == "Failed") return {false, "PodFailed", ""};
    std::vector<std::string> unready;
    for (size_t i = 0; i < spec_.initContainers.size(); ++i) {
      const core::ContainerStatus& status = status_.initContainerStatuses[i];
      if (is_sidecar(spec_.initContainers[i]) && !status.ready) unready.push_back(status.name);
    }
    for (const core::ContainerStatus& status : status_.containerStatuses) {
      if (!status.ready) unready.push_back(status.name);
    }
    if (unready.empty()) return {true, "", ""};
    return {false, "ContainersNotReady", "containers with unready status: " + list_text(unready)};
  }

  void add_ready(bool ready, const std::string& reason, const std::string& message) {
    if (!ready) return add_condition("Ready", false, reason, message);
    std::vector<std::string> unmet;
    for (const core::PodReadinessGate& gate : spec_.readinessGates) {
      const auto& conditions = pod_.status.conditions;
      const auto found = std::ranges::find(conditions, gate.conditionType, &core::PodCondition::type);
      if (found == conditions.end())
        unmet.push_back(fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist.",
                                    gate.conditionType));
      else if (found->status != "True")
        unmet.push_back(fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but {}",
                                    gate.conditionType, found->status));
    }
    if (unmet.empty()) return add_condition("Ready", true);
    add_condition("Ready", false, "ReadinessGatesNotReady", join(unmet, ", "));
  }

  // Conditions of others (readiness gates, disruption) are theirs to change.
  void keep_foreign_conditions() {
    for (const core::PodCondition& condition : pod_.status.conditions) {
      if (std::ranges::find(status_.conditions, condition.type, &core::PodCondition::type) ==
          status_.conditions.end())
        status_.conditions.push_back(condition);
    }
  }

  const StatusInput& input_;
  const PodView& view_;
  const core::Pod& pod_;
  const core::PodSpec& spec_;
  core::PodStatus status_;
};

}  // namespace

core::PodStatus make_pod_status(const StatusInput& input) { return StatusMaker(input).run(); }

std::string qos_class_of(const core::Pod& pod) {
  bool any = false;
  bool guaranteed = true;
  const auto consider = [&](const core::Container& container) {
    for (const char* name : {"cpu", "memory"}) {
      const auto limit = container.resources.limits.find(name);
      const auto request = container.resources.requests.find(name);
      const bool has_limit = limit != container.resources.limits.end() && limit->second.milli_value() > 0;
      const bool has_request =
          request != container.resources.requests.end() && request->second.milli_value() > 0;
      any = any || has_limit || has_request;
      if (!has_limit || (has_request && schema::compare(limit->second, request->second) != 0))
        guaranteed = false;
    }
  };
  for (const core::Container& container : pod.spec.initContainers) consider(container);
  for (const core::Container& container : pod.spec.containers) consider(container);
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

}  // namespace cloudless::kubelet
