#include "kubelet/pod/pod_worker.hpp"

#include <algorithm>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

using client::EventLevel;
using Kind = PodAction::Kind;

namespace {
constexpr size_t kMaxTerminationMessage = 4096;  // bytes, of a file or of the log's end
}

PodWorker::PodWorker(PodServices& services, std::shared_ptr<const core::Pod> pod)
    : services_(services), pod_(std::move(pod)), status_(pod_->status) {
  if (pod_->metadata.deletionTimestamp) update(pod_);
}

void PodWorker::start() { services_.scope.spawn(run(shared_from_this())); }

void PodWorker::update(std::shared_ptr<const core::Pod> pod) {
  // What the downward API writes to files.
  const bool relabelled = pod->metadata.labels != pod_->metadata.labels ||
                          pod->metadata.annotations != pod_->metadata.annotations;
  pod_ = std::move(pod);
  if (relabelled) objects_changed();
  if (pod_->metadata.deletionTimestamp)
    terminate(std::chrono::seconds(pod_->metadata.deletionGracePeriodSeconds.value_or(
        pod_->spec.terminationGracePeriodSeconds.value_or(30))));
  wake_.notify();
}

void PodWorker::terminate(std::chrono::seconds grace) {
  if (!termination_) {
    termination_ = Termination{grace, now()};
    cancel_makers();
  } else if (now() + grace < termination_->since + termination_->grace) {
    termination_ = Termination{grace, now()};
  }
  wake_.notify();
}

void PodWorker::objects_changed() {
  if (volumes_ready_ && Volumes::changes(*pod_)) volumes_refresh_at_ = now();
  volumes_retry_at_.reset();
  for (auto& [name, note] : notes_) {
    if (note.waiting_reason == "CreateContainerConfigError") note.retry_at.reset();
  }
  wake_.notify();
}

// What makes something new for a pod on its way out is of no use any more.
void PodWorker::cancel_makers() {
  for (const auto& [key, job] : jobs_) {
    if (key == "volumes" || key == "sandbox" || key.starts_with("start/")) job->cancel.cancel();
  }
}

WallTime PodWorker::now() const { return services_.scope.executor().clock().wall_now(); }

void PodWorker::tell(EventLevel level, std::string reason, std::string message) const {
  services_.record(pod_event(*pod_, level, std::move(reason), std::move(message)));
}
void PodWorker::tell(const std::string& container, EventLevel level, std::string reason,
                     std::string message) const {
  services_.record(container_event(*pod_, container, level, std::move(reason), std::move(message)));
}

const core::Container* PodWorker::container_named(const std::string& name) const {
  for (const auto* list : {&pod_->spec.containers, &pod_->spec.initContainers}) {
    for (const core::Container& container : *list) {
      if (container.name == name) return &container;
    }
  }
  return nullptr;
}

DownwardFacts PodWorker::downward_facts() const {
  DownwardFacts facts{.host_ips = services_.options.node_ips,
                      .node_allocatable = services_.facts.allocatable};
  const cri::SandboxStatus* sandbox = runtime_.newest_sandbox();
  facts.pod_ips = pod_->spec.hostNetwork ? services_.options.node_ips
                  : sandbox              ? sandbox->ips
                                         : std::vector<std::string>();
  return facts;
}

runtime::Task<void> PodWorker::run(Self self) {
  while (!self->done_) {
    if (!co_await self->step(self->busy())) break;
  }
  for (const auto& [key, task] : self->probes_) task->cancel.cancel();
}

std::set<std::string> PodWorker::busy() const {
  std::set<std::string> keys;
  for (const auto& [key, job] : jobs_) keys.insert(key);
  return keys;
}

// False once the scope is cancelled. `busy_before`: the jobs that ran when the runtime was about to be read.
// One that ends while it is read may or may not be in what was read, so it still counts as running.
runtime::Task<bool> PodWorker::step(std::set<std::string> busy_before) {
  auto runtime = co_await read_pod_runtime(services_.runtime, pod_->metadata.uid);
  if (!runtime) {
    services_.log.debug("the runtime does not answer",
                        {{"pod", pod_text(*pod_)}, {"error", runtime.error()}});
    if (!co_await runtime::sleep_for(kReadRetry)) co_return false;
    co_return true;
  }
  runtime_ = std::move(*runtime);
  forget_gone();
  track_probes();
  const PodView view = make_view(std::move(busy_before));
  const PodPlan plan = plan_pod(view);
  publish(plan, view);
  tell_crash_loops(plan);
  for (const PodAction& action : plan.actions) begin(action);

  std::optional<Duration> wait = plan.look_again;
  if (!done_ && volumes_refresh_at_ && !termination_) {
    if (*volumes_refresh_at_ <= view.now) begin({.kind = Kind::kMountVolumes});
    const Duration left = std::max<Duration>(*volumes_refresh_at_ - view.now, std::chrono::milliseconds(1));
    if (!jobs_.contains("volumes")) wait = wait ? std::min(*wait, left) : left;
  }
  const Result<> woken =
      wait ? co_await runtime::with_timeout(*wait, "the wait", wake_.wait()) : co_await wake_.wait();
  co_return woken || woken.error().code == Code::kDeadlineExceeded;
}

PodView PodWorker::make_view(std::set<std::string> busy_before) const {
  for (const auto& [key, job] : jobs_) busy_before.insert(key);
  return {.pod = *pod_,
          .runtime = runtime_,
          .now = now(),
          .volumes_ready = volumes_ready_,
          .volumes_retry_at = volumes_retry_at_,
          .sandbox_retry_at = sandbox_retry_at_,
          .notes = notes_,
          .probes = verdicts_,
          .busy = std::move(busy_before),
          .kill_deadlines = kill_deadlines_,
          .termination = termination_,
          .failure = failure_};
}

// Drops what is remembered of containers that the runtime no longer has, and reads what the ended left.
void PodWorker::forget_gone() {
  const auto is_gone = [this](const auto& entry) { return !runtime_.find(entry.first); };
  std::erase_if(verdicts_, is_gone);
  std::erase_if(termination_messages_, is_gone);
  std::erase_if(kill_deadlines_, [this](const auto& entry) {
    const RuntimeContainer* container = runtime_.find(entry.first);
    return !container || container->status.state == cri::ContainerState::kExited;
  });
  for (const RuntimeContainer& container : runtime_.containers) {
    if (container.status.state == cri::ContainerState::kExited &&
        !termination_messages_.contains(container.status.id))
      read_termination_message(container);
  }
  const auto& deadline = pod_->spec.activeDeadlineSeconds;
  if (!failure_ && deadline && status_.startTime &&
      now() >= *status_.startTime + std::chrono::seconds(*deadline)) {
    failure_ =
        PodFailure{"DeadlineExceeded", "Pod was active on the node longer than the specified deadline"};
    tell(EventLevel::kNormal, failure_->reason, failure_->message);
    cancel_makers();
  }
}

void PodWorker::read_termination_message(const RuntimeContainer& container) {
  const cri::ContainerStatus& status = container.status;
  std::string message;
  if (auto text = read_file(termination_file(status.name, status.attempt))) message = std::move(*text);
  const bool fall_back =
      label_of(status.annotations, kTerminationPolicyAnnotation) == "FallbackToLogsOnError";
  if (message.empty() && fall_back && status.exit_code != 0 && !status.log_path.empty()) {
    if (const auto log = read_file(status.log_path)) {
      for (const std::string_view line : split(*log, '\n')) {
        // "<time> <stream> <tags> <text>" (see log_file.hpp)
        size_t at = 0;
        for (int field = 0; field < 3 && at != std::string_view::npos; ++field) at = line.find(' ', at) + 1;
        if (at != std::string_view::npos && at > 0 && at <= line.size())
          message += std::string(line.substr(at)) + "\n";
      }
      constexpr size_t kMaxFromLog = 2048;
      if (message.size() > kMaxFromLog) message.erase(0, message.size() - kMaxFromLog);
    }
  }
  if (message.size() > kMaxTerminationMessage) message.resize(kMaxTerminationMessage);
  termination_messages_[status.id] = std::move(message);
}

void PodWorker::publish(const PodPlan& plan, const PodView& view) {
  std::map<std::string, std::string> messages = termination_messages_;
  std::erase_if(messages, [](const auto& entry) { return entry.second.empty(); });
  core::PodStatus status = make_pod_status({.view = view,
                                            .plan = plan,
                                            .previous = status_,
                                            .host_ips = services_.options.node_ips,
                                            .termination_messages = std::move(messages)});
  if (reported_ && status == status_) return;
  reported_ = true;
  status_ = std::move(status);
  services_.report(*pod_, status_);
}

void PodWorker::tell_crash_loops(const PodPlan& plan) {
  for (const auto& [name, delay] : plan.crash_loops) {
    if (told_crash_loops_.insert(name).second)
      tell(name, EventLevel::kWarning, "BackOff",
           fmt::format("Back-off restarting failed container {} in pod {}", name, pod_text(*pod_)));
  }
  std::erase_if(told_crash_loops_, [&](const std::string& name) { return !plan.crash_loops.contains(name); });
}

void PodWorker::begin(PodAction action) {
  const std::string key = action.key();
  const auto running = jobs_.find(key);
  if (running != jobs_.end()) {
    if (action.kind != Kind::kKillContainer) return;
    running->second->cancel.cancel();  // a kill with less grace takes the place of the one before
  }
  if (action.kind == Kind::kKillContainer) kill_deadlines_[action.id] = now() + action.grace;
  if (action.kind == Kind::kStartContainer) {
    const RuntimeContainer* last = runtime_.newest(action.container);
    if (last && last->status.state == cri::ContainerState::kExited)
      notes_[action.container].backoff.count(wall_time(last->status.finished_at), now());
  }
  auto job = std::make_shared<Job>();
  jobs_[key] = job;
  services_.scope.spawn(run_job(shared_from_this(), std::move(job), std::move(action)));
}

runtime::Task<void> PodWorker::run_job(Self self, std::shared_ptr<Job> job, PodAction action) {
  const runtime::TaskContext context = co_await runtime::current_context();
  {
    const runtime::LinkedCancel link(context.cancel, job->cancel);
    co_await runtime::run_in({context.executor, &job->cancel}, self->perform(action));
  }
  const auto own = self->jobs_.find(action.key());
  if (own != self->jobs_.end() && own->second == job) self->jobs_.erase(own);
  self->wake_.notify();
}

runtime::Task<void> PodWorker::perform(const PodAction& action) {
  switch (action.kind) {
    case Kind::kMountVolumes:
      co_await mount_volumes();
      break;
    case Kind::kCreateSandbox:
      co_await create_sandbox(action.attempt);
      break;
    case Kind::kStopSandbox:
      if (const auto stopped = co_await services_.runtime.stop_sandbox(action.id); !stopped) {
        services_.log.warn("cannot stop a sandbox", {{"pod", pod_text(*pod_)}, {"error", stopped.error()}});
        (void)co_await runtime::sleep_for(kCleanUpRetry);
      }
      break;
    case Kind::kRemoveSandbox:
      (void)co_await services_.runtime.remove_sandbox(action.id);
      break;
    case Kind::kStartContainer:
      co_await start_container(action);
      break;
    case Kind::kKillContainer:
      co_await kill_container(action);
      break;
    case Kind::kRemoveContainer:
      (void)co_await services_.runtime.remove_container(action.id);
      break;
    case Kind::kCleanUp:
      co_await clean_up();
      break;
  }
}

}  // namespace cloudless::kubelet
