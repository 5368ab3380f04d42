// Which pods this node runs: those of the API, those of the manifests' folder with their mirrors, and the end
// of those that nobody asks for.
#include <algorithm>
#include <filesystem>

#include "kubelet/kubelet_state.hpp"
#include "kubelet/sources/static_pods.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

namespace fs = std::filesystem;

namespace {

constexpr Duration kManifestResync = std::chrono::seconds(20);
constexpr Duration kOrphanRetry = std::chrono::seconds(1);
constexpr Duration kMirrorRetry = std::chrono::seconds(1);
constexpr std::chrono::seconds kDefaultGrace{30};

std::chrono::seconds grace_of(const core::Pod& pod) {
  return std::chrono::seconds(pod.metadata.deletionGracePeriodSeconds.value_or(
      pod.spec.terminationGracePeriodSeconds.value_or(kDefaultGrace.count())));
}

}  // namespace

// --- pods of the API ---

void Kubelet::State::on_api_pod(const std::shared_ptr<const core::Pod>& before,
                                const std::shared_ptr<const core::Pod>& now) {
  const core::Pod& any = now ? *now : *before;
  if (is_mirror_pod(any)) return on_mirror_pod(now.get(), any);
  // Deleted and made again while the watch was away: two pods of one name.
  if (before && (!now || now->metadata.uid != before->metadata.uid)) {
    const auto gone = workers.find(before->metadata.uid);
    if (gone != workers.end()) gone->second->terminate(grace_of(*before));
  }
  if (!now) return;
  const auto known = workers.find(now->metadata.uid);
  if (known != workers.end()) return known->second->update(now);
  // One that has ended before this agent came needs no worker until it is deleted.
  add(now);
}

void Kubelet::State::add(std::shared_ptr<const core::Pod> pod) {
  const std::string uid = pod->metadata.uid;
  auto worker = std::make_shared<PodWorker>(*shared, std::move(pod));
  workers[uid] = worker;
  worker->start();
  // Static pods name no objects of the API.
  if (watches && !is_static_pod(worker->pod())) watches->follow(worker->pod());
}

void Kubelet::State::on_objects_changed(const std::string& uid) {
  if (const auto worker = workers.find(uid); worker != workers.end()) worker->second->objects_changed();
}

void Kubelet::State::on_status(const core::Pod& pod, const core::PodStatus& status) {
  if (!reporter) return;
  if (!is_static_pod(pod)) return reporter->report(pod, status);
  const auto mirror = pods->cache().get(pod.metadata.namespace_, pod.metadata.name);
  if (mirror && is_mirror_pod(*mirror)) reporter->report(*mirror, status);
}

void Kubelet::State::on_ended(const core::Pod& pod) {
  workers.erase(pod.metadata.uid);
  if (watches) watches->forget(pod.metadata.uid);
  if (is_static_pod(pod)) {
    const auto next = waiting_static.find(pod.metadata.name);
    if (next == waiting_static.end()) return;
    const core::Pod waiting = std::move(next->second);
    waiting_static.erase(next);
    start_static(waiting);
    return;
  }
  if (reporter && pod.metadata.deletionTimestamp) reporter->remove(pod);
}

// --- static pods ---

runtime::Task<void> Kubelet::State::follow_manifests() {
  if (options.manifest_dir.empty()) {
    manifests_read = true;
    co_return;
  }
  std::map<std::string, std::string> told;  // errors already logged, by path
  for (;;) {
    auto watch = co_await FolderWatch::open(options.manifest_dir);
    for (;;) {
      const WallTime seen = scope->executor().clock().wall_now();
      auto found = co_await pool.run([dir = options.manifest_dir, name = options.node_name, seen]() {
        return Result<ManifestFolder>(read_manifests(dir, name, seen));
      });
      if (!found) co_return;
      for (const auto& [path, error] : found->errors) {
        if (std::exchange(told[path], error.message) != error.message)
          log.error("a manifest cannot be used", {{"path", path}, {"error", error}});
        // The last good version goes on.
        const auto last = static_pods.find(path);
        if (last != static_pods.end()) found->pods.insert(*last);
      }
      take_manifests(std::move(found->pods));
      manifests_read = true;
      if (!watch) break;  // no such folder yet: look again later
      const Result<> changed = co_await runtime::with_timeout(kManifestResync, "", (*watch)->changed());
      if (!changed && changed.error().code == Code::kCancelled) co_return;
    }
    if (!co_await runtime::sleep_for(kManifestResync)) co_return;
  }
}

void Kubelet::State::take_manifests(std::map<std::string, core::Pod> found) {
  std::set<std::string> wanted;
  for (const auto& [path, pod] : found) wanted.insert(pod.metadata.uid);
  for (const auto& [path, pod] : static_pods) {
    if (wanted.contains(pod.metadata.uid)) continue;
    const auto worker = workers.find(pod.metadata.uid);
    if (worker != workers.end()) worker->second->terminate(grace_of(pod));
    waiting_static.erase(pod.metadata.name);
    if (!pods) continue;
    const auto mirror = pods->cache().get(pod.metadata.namespace_, pod.metadata.name);
    if (mirror && is_mirror_pod(*mirror)) scope->spawn(delete_mirror(*mirror));
  }
  static_pods = std::move(found);
  for (const auto& [path, pod] : static_pods) {
    if (!workers.contains(pod.metadata.uid)) start_static(pod);
  }
}

// Two versions of one pod never run side by side: they have the same ports and files.
void Kubelet::State::start_static(const core::Pod& pod) {
  const auto same_name = static_worker(pod.metadata.namespace_, pod.metadata.name);
  if (same_name && same_name->pod().metadata.uid != pod.metadata.uid) {
    waiting_static[pod.metadata.name] = pod;
    return;
  }
  add(std::make_shared<const core::Pod>(pod));
  if (pods && pods->synced())
    on_mirror_pod(pods->cache().get(pod.metadata.namespace_, pod.metadata.name).get(), pod);
}

std::shared_ptr<PodWorker> Kubelet::State::static_worker(const std::string& ns,
                                                         const std::string& name) const {
  for (const auto& [uid, worker] : workers) {
    const core::Pod& pod = worker->pod();
    if (is_static_pod(pod) && pod.metadata.name == name && pod.metadata.namespace_ == ns) return worker;
  }
  return nullptr;
}

// A static pod is shown in the API by a mirror of the same name; one that is outdated, deleted or without a
// pod goes. `mirror` is null where there is none; `last` names it.
void Kubelet::State::on_mirror_pod(const core::Pod* mirror, const core::Pod& last) {
  const auto worker = static_worker(last.metadata.namespace_, last.metadata.name);
  const bool runs = worker && !worker->terminating();
  if (!mirror) {
    if (runs) scope->spawn(create_mirror(worker->pod()));
    return;
  }
  const bool fits = runs && !mirror->metadata.deletionTimestamp &&
                    label_of(mirror->metadata.annotations, kConfigMirrorAnnotation) ==
                        label_of(worker->pod().metadata.annotations, kConfigHashAnnotation);
  // Until the manifests are read nobody knows which mirrors are without a pod.
  if (!fits && manifests_read) scope->spawn(delete_mirror(*mirror));
  if (fits && mirror->status.phase != worker->status().phase) reporter->report(*mirror, worker->status());
}

runtime::Task<void> Kubelet::State::create_mirror(core::Pod pod) {
  const std::string hash = label_of(pod.metadata.annotations, kConfigHashAnnotation);
  pod.metadata.annotations[std::string(kConfigMirrorAnnotation)] = hash;
  pod.metadata.uid.clear();
  while (node->uid().empty()) {
    if (!co_await runtime::sleep_for(kMirrorRetry)) co_return;
  }
  auto& owner = pod.metadata.ownerReferences.emplace_back();
  owner.apiVersion = "v1";
  owner.kind = "Node";
  owner.name = options.node_name;
  owner.uid = node->uid();
  owner.controller = true;
  for (;;) {
    const auto created = co_await client->create(pod);
    if (created || created.error().code == Code::kAlreadyExists || created.error().code == Code::kCancelled)
      co_return;
    log.warn("cannot create a mirror pod yet", {{"pod", pod.metadata.name}, {"error", created.error()}});
    if (!co_await runtime::sleep_for(kMirrorRetry)) co_return;
    const auto worker = static_worker(pod.metadata.namespace_, pod.metadata.name);
    if (!worker || worker->terminating()) co_return;
  }
}

runtime::Task<void> Kubelet::State::delete_mirror(core::Pod mirror) {
  client::DeleteOptions delete_options;
  delete_options.grace_period_seconds = 0;
  delete_options.uid = mirror.metadata.uid;
  const Result<> removed =
      co_await client->remove<core::Pod>(mirror.metadata.namespace_, mirror.metadata.name, delete_options);
  if (!removed && removed.error().code != Code::kNotFound)
    log.warn("cannot delete a mirror pod", {{"pod", mirror.metadata.name}, {"error", removed.error()}});
}

// --- orphans ---

// Once all sources have spoken, what the runtime and the disk still have of other pods is ended.
runtime::Task<void> Kubelet::State::end_orphans() {
  if (!co_await pods->wait_synced()) co_return;
  while (!manifests_read) {
    if (!co_await runtime::sleep_for(kOrphanRetry)) co_return;
  }
  for (const auto& [path, pod] : static_pods)
    on_mirror_pod(pods->cache().get(pod.metadata.namespace_, pod.metadata.name).get(), pod);
  for (const auto& [key, pod] : pods->cache().all()) {
    if (is_mirror_pod(*pod)) on_mirror_pod(pod.get(), *pod);
  }
  for (;;) {
    const Result<> found = co_await find_orphans();
    if (found || found.error().code == Code::kCancelled) co_return;
    if (!co_await runtime::sleep_for(kOrphanRetry)) co_return;
  }
}

runtime::Task<Result<>> Kubelet::State::find_orphans() {
  std::set<std::string> known;
  for (const cri::Sandbox& sandbox : CO_TRY(co_await runtime.list_sandboxes({}))) {
    if (sandbox.metadata.uid.empty()) continue;  // not made by a kubelet
    known.insert(sandbox.metadata.uid);
    if (!workers.contains(sandbox.metadata.uid)) end_orphan(sandbox);
  }
  for (const auto& [uid, worker] : workers) known.insert(uid);
  remove_stray_folders(known);
  co_return {};
}

// As much of the pod as is needed to take it down, from its sandbox.
void Kubelet::State::end_orphan(const cri::Sandbox& sandbox) {
  auto pod = std::make_shared<core::Pod>();
  pod->metadata.name = sandbox.metadata.name;
  pod->metadata.namespace_ = sandbox.metadata.ns;
  pod->metadata.uid = sandbox.metadata.uid;
  pod->metadata.annotations = sandbox.annotations;
  const std::string grace = label_of(sandbox.annotations, kGracePeriodAnnotation);
  pod->spec.terminationGracePeriodSeconds = grace.empty() ? kDefaultGrace.count() : std::atoll(grace.c_str());
  log.info("ending a pod that nobody asks for", {{"pod", pod_text(*pod)}});
  add(pod);
  workers[pod->metadata.uid]->terminate(grace_of(*pod));
}

void Kubelet::State::remove_stray_folders(const std::set<std::string>& known) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options.root_dir + "/pods", error)) {
    const std::string uid = entry.path().filename();
    if (known.contains(uid)) continue;
    scope->spawn([](State& self, std::string stray) -> runtime::Task<void> {
      if (const Result<> removed = co_await self.volumes->unmount(stray); !removed)
        self.log.warn("cannot remove the folder of a pod that is gone",
                      {{"uid", stray}, {"error", removed.error()}});
    }(*this, uid));
  }
}

}  // namespace cloudless::kubelet
