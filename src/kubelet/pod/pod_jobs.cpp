// The jobs of a PodWorker: what its plan's actions do.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/files.hpp"
#include "kubelet/pod/pod_worker.hpp"
#include "kubelet/pod/resources.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

namespace fs = std::filesystem;
using client::EventLevel;

namespace {

constexpr std::chrono::seconds kMinGraceAfterHook{2};

Result<> make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return std::unexpected(system_error(error.value(), "make folder " + path));
  return {};
}

Duration grown(Duration backoff, Duration first, Duration limit) {
  return backoff == Duration(0) ? first : std::min(backoff * 2, limit);
}

bool mounts_at(const core::Container& container, std::string_view path) {
  return std::ranges::any_of(container.volumeMounts,
                             [&](const core::VolumeMount& mount) { return mount.mountPath == path; });
}

}  // namespace

runtime::Task<void> PodWorker::mount_volumes() {
  const auto pod = pod_;
  volumes_refresh_at_.reset();  // a change from here on asks for it again
  auto paths = co_await services_.volumes.mount(*pod, downward_facts());
  if (!paths) {
    if (paths.error().code == Code::kCancelled) co_return;
    tell(EventLevel::kWarning, "FailedMount", paths.error().message);
    volumes_backoff_ = grown(volumes_backoff_, kFirstMountBackoff, kMaxMountBackoff);
    volumes_retry_at_ = now() + volumes_backoff_;
    if (volumes_ready_) volumes_refresh_at_ = volumes_retry_at_;
    co_return;
  }
  volume_paths_ = std::move(*paths);
  volumes_ready_ = true;
  volumes_backoff_ = Duration(0);
  volumes_retry_at_.reset();
  if (Volumes::changes(*pod) && !volumes_refresh_at_) volumes_refresh_at_ = now() + kVolumeRefresh;
}

runtime::Task<void> PodWorker::create_sandbox(uint32_t attempt) {
  const auto pod = pod_;
  const cri::SandboxConfig config =
      make_sandbox_config(*pod, attempt, services_.options, services_.facts.host_dns);
  Result<> made = make_folder(config.log_directory);
  if (made && services_.options.cgroup_driver == CgroupDriver::kCgroupfs)
    made = services_.cgroups.make_pod(config.cgroup_parent, pod_cgroup_limits(*pod));
  if (made) {
    if (const auto id = co_await services_.runtime.run_sandbox(config); !id)
      made = std::unexpected(id.error());
  }
  if (made) {
    sandbox_backoff_ = Duration(0);
    sandbox_retry_at_.reset();
    co_return;
  }
  if (made.error().code == Code::kCancelled) co_return;
  tell(EventLevel::kWarning, "FailedCreatePodSandBox",
       "Failed to create pod sandbox: " + made.error().message);
  sandbox_backoff_ = grown(sandbox_backoff_, kSandboxBackoff, kMaxSandboxBackoff);
  sandbox_retry_at_ = now() + sandbox_backoff_;
}

runtime::Task<void> PodWorker::start_container(const PodAction& action) {
  const auto pod = pod_;
  const core::Container* container = container_named(action.container);
  if (!container) co_return;
  const auto id = co_await try_start(pod, *container, action.attempt);
  if (const runtime::TaskContext context = co_await runtime::current_context(); context.cancelled())
    co_return;
  ContainerNote& note = notes_[action.container];
  if (!id) {
    note.waiting_reason = id.error().reason;
    note.waiting_message = id.error().message;
    // After a failed pull the next try says when, from the image's back-off.
    const bool pull_failed = id.error().reason == "ErrImagePull";
    note.retry_at = id.error().retry_at.value_or(now() + (pull_failed ? Duration(kReadRetry) : kStartRetry));
    co_return;
  }
  note.waiting_reason.clear();
  note.waiting_message.clear();
  note.retry_at.reset();
  if (!container->lifecycle || !container->lifecycle->postStart) co_return;
  const Duration no_limit = std::chrono::hours(24);  // upstream waits as long as the hook takes
  const Result<> hook = co_await run_hook(*container->lifecycle->postStart, *container, *id, no_limit);
  if (hook || hook.error().code == Code::kCancelled) co_return;
  tell(container->name, EventLevel::kWarning, "FailedPostStartHook",
       "PostStartHook failed: " + hook.error().message);
  (void)co_await services_.runtime.stop_container(
      *id, std::chrono::seconds(pod->spec.terminationGracePeriodSeconds.value_or(30)));
}

runtime::Task<std::expected<std::string, StartProblem>> PodWorker::try_start(
    std::shared_ptr<const core::Pod> pod, const core::Container& container, uint32_t attempt) {
  auto image = co_await services_.images.ensure(*pod, container, co_await pull_secrets());
  if (!image) {
    tell(container.name, EventLevel::kWarning, "Failed", "Error: " + image.error().reason);
    co_return std::unexpected(image.error());
  }
  auto config = co_await container_config(pod, container, attempt, std::move(*image));
  if (!config) {
    tell(container.name, EventLevel::kWarning, "Failed", "Error: " + config.error().message);
    co_return std::unexpected(
        StartProblem{"CreateContainerConfigError", config.error().message, std::nullopt});
  }
  const cri::SandboxStatus* sandbox = runtime_.newest_sandbox();
  if (!sandbox) co_return std::unexpected(StartProblem{"ContainerCreating", "", now()});
  const cri::SandboxConfig sandbox_config = make_sandbox_config(*pod, sandbox->sandbox.metadata.attempt,
                                                                services_.options, services_.facts.host_dns);
  const auto id =
      co_await services_.runtime.create_container(sandbox->sandbox.id, std::move(*config), sandbox_config);
  if (!id) {
    tell(container.name, EventLevel::kWarning, "Failed", "Error: " + id.error().message);
    co_return std::unexpected(StartProblem{"CreateContainerError", id.error().message, std::nullopt});
  }
  tell(container.name, EventLevel::kNormal, "Created", "Container created");
  if (const auto started = co_await services_.runtime.start_container(*id); !started) {
    tell(container.name, EventLevel::kWarning, "Failed", "Error: " + started.error().message);
    co_return std::unexpected(StartProblem{"RunContainerError", started.error().message, std::nullopt});
  }
  tell(container.name, EventLevel::kNormal, "Started", "Container started");
  co_return *id;
}

runtime::Task<std::vector<std::string>> PodWorker::pull_secrets() {
  std::vector<std::string> configs;
  const auto pod = pod_;
  for (const core::LocalObjectReference& reference : pod->spec.imagePullSecrets) {
    const auto secret = co_await services_.objects.secret(pod->metadata.namespace_, reference.name);
    if (!secret) {
      tell(EventLevel::kWarning, "FailedToRetrieveImagePullSecret",
           fmt::format("Unable to retrieve some image pull secrets ({}); attempting to pull the image may "
                       "not succeed.",
                       reference.name));
      continue;
    }
    for (const char* key : {".dockerconfigjson", ".dockercfg"}) {
      if (const auto found = secret->data.find(key); found != secret->data.end())
        configs.push_back(found->second);
    }
  }
  co_return configs;
}

runtime::Task<Result<cri::ContainerConfig>> PodWorker::container_config(std::shared_ptr<const core::Pod> pod,
                                                                        const core::Container& container,
                                                                        uint32_t attempt, ImageUse image) {
  const NamedObjects objects = CO_TRY(
      co_await read_named(services_.objects, pod->metadata.namespace_, names_in_environment(container)));
  Environment services;
  if (!is_static_pod(*pod)) {
    services = service_environment(CO_TRY(services_.objects.services()), pod->metadata.namespace_,
                                   pod->spec.enableServiceLinks.value_or(true));
  }
  Environment environment = CO_TRY(make_environment(*pod, container, objects, services, downward_facts()));
  std::vector<cri::Mount> mounts = CO_TRY(volume_mounts(container, volume_paths_, environment));
  for (cri::Mount& mount : CO_TRY(own_mounts(container, attempt))) mounts.push_back(std::move(mount));
  co_return make_container_config({.pod = *pod,
                                   .container = container,
                                   .attempt = attempt,
                                   .options = services_.options,
                                   .image_ref = std::move(image.id),
                                   .image_uid = image.uid,
                                   .image_username = std::move(image.username),
                                   .environment = std::move(environment),
                                   .mounts = std::move(mounts),
                                   .memory_capacity_bytes = services_.facts.memory_capacity_bytes,
                                   .unified_cgroups = services_.cgroups.unified()});
}

std::string PodWorker::termination_file(const std::string& container, uint32_t attempt) const {
  return fmt::format("{}/containers/{}/{}", pod_dir(pod_->metadata.uid, services_.options), container,
                     attempt);
}

// /etc/hosts, and the file that the container may leave a last message in; its log's folder on the way.
Result<std::vector<cri::Mount>> PodWorker::own_mounts(const core::Container& container,
                                                      uint32_t attempt) const {
  std::vector<cri::Mount> mounts;
  const std::string dir = pod_dir(pod_->metadata.uid, services_.options);
  TRY(make_folder(pod_log_dir(*pod_, services_.options) + "/" + container.name));
  if (!mounts_at(container, "/etc/hosts")) {
    std::string host_file;
    if (pod_->spec.hostNetwork) host_file = read_file("/etc/hosts").value_or("");
    const std::string path = dir + "/etc-hosts";
    TRY(write_file(
        path, pod_hosts_file(*pod_, downward_facts().pod_ips, services_.options.cluster_domain, host_file),
        0644));
    mounts.push_back({.container_path = "/etc/hosts", .host_path = path});
  }
  if (!container.terminationMessagePath.empty()) {
    const std::string path = termination_file(container.name, attempt);
    TRY(make_folder(fs::path(path).parent_path()));
    TRY(write_file(path, "", 0666));
    mounts.push_back({.container_path = container.terminationMessagePath, .host_path = path});
  }
  return mounts;
}

runtime::Task<Result<>> PodWorker::run_hook(const core::LifecycleHandler& hook,
                                            const core::Container& container, std::string id,
                                            Duration limit) {
  if (hook.sleep) {
    const Duration asleep = std::chrono::seconds(hook.sleep->seconds);
    co_return co_await runtime::sleep_for(std::min(asleep, limit));
  }
  core::ProbeHandler handler;
  handler.exec = hook.exec;
  handler.httpGet = hook.httpGet;
  handler.tcpSocket = hook.tcpSocket;
  const auto ips = downward_facts().pod_ips;
  const ProbeOutcome outcome = co_await services_.prober.probe(
      handler, container, {ips.empty() ? "" : ips.front(), std::move(id)}, limit);
  if (!outcome.success) co_return fail(Code::kInternal, "{}", outcome.output);
  co_return {};
}

runtime::Task<void> PodWorker::kill_container(const PodAction& action) {
  const auto pod = pod_;
  const core::Container* container = container_named(action.container);
  tell(action.container, EventLevel::kNormal, "Killing",
       action.reason.empty() ? "Stopping container " + action.container : action.reason);
  std::chrono::seconds grace = action.grace;
  if (container && container->lifecycle && container->lifecycle->preStop && grace.count() > 0) {
    const WallTime begin = now();
    const Result<> hook = co_await run_hook(*container->lifecycle->preStop, *container, action.id, grace);
    if (!hook) {
      if (hook.error().code == Code::kCancelled) co_return;
      tell(action.container, EventLevel::kWarning, "FailedPreStopHook", "PreStopHook failed");
    }
    const auto taken = std::chrono::floor<std::chrono::seconds>(now() - begin);
    grace = std::max(grace - taken, kMinGraceAfterHook);
  }
  const auto stopped = co_await services_.runtime.stop_container(action.id, grace);
  if (stopped || stopped.error().code == Code::kNotFound || stopped.error().code == Code::kCancelled)
    co_return;
  services_.log.warn("cannot stop a container", {{"pod", pod_text(*pod)}, {"error", stopped.error()}});
  kill_deadlines_.erase(action.id);  // so that it is asked for again
  (void)co_await runtime::sleep_for(kReadRetry);
}

runtime::Task<void> PodWorker::clean_up() {
  for (;;) {
    const Result<> cleaned = co_await try_clean_up();
    if (cleaned) break;
    if (cleaned.error().code == Code::kCancelled) co_return;
    services_.log.warn("cannot clean up after a pod yet",
                       {{"pod", pod_text(*pod_)}, {"error", cleaned.error()}});
    if (!co_await runtime::sleep_for(kCleanUpRetry)) co_return;
  }
  done_ = true;
  services_.ended(*pod_);
}

runtime::Task<Result<>> PodWorker::try_clean_up() {
  const auto pod = pod_;
  const PodRuntime left = CO_TRY(co_await read_pod_runtime(services_.runtime, pod->metadata.uid));
  for (const RuntimeContainer& container : left.containers)
    CO_TRY(co_await services_.runtime.remove_container(container.status.id));
  for (const cri::SandboxStatus& status : left.sandboxes) {
    CO_TRY(co_await services_.runtime.stop_sandbox(status.sandbox.id));
    CO_TRY(co_await services_.runtime.remove_sandbox(status.sandbox.id));
  }
  CO_TRY(co_await services_.volumes.unmount(pod->metadata.uid));
  if (services_.options.cgroup_driver == CgroupDriver::kCgroupfs) {
    for (const std::string& cgroup : possible_pod_cgroups(pod->metadata.uid, services_.options.cgroup_root))
      CO_TRY(services_.cgroups.remove_pod(cgroup));
  }
  std::error_code ignored;
  fs::remove_all(pod_log_dir(*pod, services_.options), ignored);
  co_return {};
}

}  // namespace cloudless::kubelet
