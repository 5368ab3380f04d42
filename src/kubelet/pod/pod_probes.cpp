// The probes of a PodWorker: one task per probe of a running container.
#include "kubelet/pod/pod_worker.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

using client::EventLevel;

namespace {

const schema::Boxed<core::Probe>& probe_of(const core::Container& container, ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kStartup:
      return container.startupProbe;
    case ProbeKind::kLiveness:
      return container.livenessProbe;
    case ProbeKind::kReadiness:
      break;
  }
  return container.readinessProbe;
}

// How soon after its startup probe has passed a container is asked whether it is ready.
constexpr Duration kNotStartedPeriod = std::chrono::seconds(1);

Duration seconds_or(int32_t value, int32_t fallback) {
  return std::chrono::seconds(value > 0 ? value : fallback);
}

}  // namespace

// Starts probes for containers that run and have not been seen, and ends those whose container does not.
void PodWorker::track_probes() {
  std::erase_if(probes_, [this](const auto& entry) {
    const RuntimeContainer* container = runtime_.find(entry.first.first);
    const bool runs = container && container->status.state == cri::ContainerState::kRunning;
    if (!runs) entry.second->cancel.cancel();
    return !runs;
  });
  for (const RuntimeContainer& running : runtime_.containers) {
    const cri::ContainerStatus& status = running.status;
    if (status.state != cri::ContainerState::kRunning || verdicts_.contains(status.id)) continue;
    const core::Container* container = container_named(status.name);
    if (!container) continue;
    verdicts_[status.id] = verdict_before_probes(*container, status.id, status_);
    for (const ProbeKind kind : {ProbeKind::kStartup, ProbeKind::kLiveness, ProbeKind::kReadiness}) {
      if (probe_of(*container, kind)) track(*container, status.id, kind);
    }
  }
}

void PodWorker::track(const core::Container& container, const std::string& id, ProbeKind kind) {
  auto task = std::make_shared<ProbeTask>();
  probes_[{id, kind}] = task;
  services_.scope.spawn(run_probe(shared_from_this(), std::move(task), container.name, id, kind));
}

runtime::Task<void> PodWorker::run_probe(Self self, std::shared_ptr<ProbeTask> task, std::string container,
                                         std::string id, ProbeKind kind) {
  const runtime::TaskContext context = co_await runtime::current_context();
  const runtime::LinkedCancel link(context.cancel, task->cancel);
  co_await runtime::run_in({context.executor, &task->cancel},
                           self->probe_loop(std::move(container), std::move(id), kind));
}

runtime::Task<void> PodWorker::probe_loop(std::string name, std::string id, ProbeKind kind) {
  const RuntimeContainer* running = runtime_.find(id);
  const core::Container* named = container_named(name);
  if (!running || !named || !probe_of(*named, kind)) co_return;
  // A copy: a newer version of the pod may take the place of this one while the probe is out.
  const core::Container container = *named;
  const core::Probe probe = *probe_of(container, kind);
  const WallTime first =
      wall_time(running->status.started_at) + std::chrono::seconds(probe.initialDelaySeconds);
  if (first > now() && !co_await runtime::sleep_for(first - now())) co_return;

  ProbeCounter counter(probe);
  for (;;) {
    // Until the container has started nothing but its startup probe is asked.
    const bool wanted = (kind == ProbeKind::kStartup) != verdicts_[id].started;
    if (wanted && !(termination_ && kind != ProbeKind::kReadiness)) {
      const auto ips = downward_facts().pod_ips;
      const ProbeOutcome outcome = co_await services_.prober.probe(
          probe, container, {ips.empty() ? "" : ips.front(), id}, seconds_or(probe.timeoutSeconds, 1));
      if ((co_await runtime::current_context()).cancelled()) co_return;
      if (!outcome.success)
        tell(name, EventLevel::kWarning, "Unhealthy",
             fmt::format("{} probe failed: {}", to_string(kind), outcome.output));
      if (const auto verdict = counter.add(outcome.success)) note_probe(id, kind, *verdict);
    }
    if (kind == ProbeKind::kStartup && verdicts_[id].started) co_return;
    const Duration period = seconds_or(probe.periodSeconds, 10);
    if (!co_await runtime::sleep_for(wanted ? period : std::min<Duration>(period, kNotStartedPeriod)))
      co_return;
  }
}

void PodWorker::note_probe(const std::string& id, ProbeKind kind, bool success) {
  ProbeVerdict& verdict = verdicts_[id];
  const ProbeVerdict before = verdict;
  switch (kind) {
    case ProbeKind::kStartup:
      if (success)
        verdict.started = true;
      else
        verdict.failed_probe = "startup";
      break;
    case ProbeKind::kLiveness:
      if (!success) verdict.failed_probe = "liveness";
      break;
    case ProbeKind::kReadiness:
      verdict.ready = success;
      break;
  }
  const bool changed = before.started != verdict.started || before.ready != verdict.ready ||
                       before.failed_probe != verdict.failed_probe;
  if (changed) wake_.notify();
}

}  // namespace cloudless::kubelet
