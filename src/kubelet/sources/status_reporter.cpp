#include "kubelet/sources/status_reporter.hpp"

#include <algorithm>

#include "runtime/timer.hpp"

namespace cloudless::kubelet {

StatusReporter::StatusReporter(const client::Client& client, Lookup newest, Logger log)
    : client_(client), newest_(std::move(newest)), log_(std::move(log)) {}

StatusReporter::Entry& StatusReporter::entry_of(const core::Pod& pod) {
  Entry& entry = entries_[pod.metadata.uid];
  entry.ns = pod.metadata.namespace_;
  entry.name = pod.metadata.name;
  entry.uid = pod.metadata.uid;
  wake_.notify();
  return entry;
}

void StatusReporter::report(const core::Pod& pod, const core::PodStatus& status) {
  entry_of(pod).status = status;
}

void StatusReporter::remove(const core::Pod& pod) { entry_of(pod).remove = true; }

runtime::Task<void> StatusReporter::run() {
  Duration retry = kFirstRetry;
  for (;;) {
    if (entries_.empty()) {
      if (!co_await wake_.wait()) co_return;
      continue;
    }
    std::map<std::string, Entry> batch = std::exchange(entries_, {});
    bool failed = false;
    for (auto& [uid, entry] : batch) {
      const Result<> written = co_await write(entry);
      if (written) continue;
      if (written.error().code == Code::kCancelled) co_return;
      failed = true;
      log_.warn("cannot report a pod's status yet",
                {{"pod", entry.ns + "/" + entry.name}, {"error", written.error()}});
      // What was reported meanwhile is newer.
      const auto [newer, put_back] = entries_.try_emplace(uid, entry);
      if (!put_back) {
        newer->second.remove = newer->second.remove || entry.remove;
        if (!newer->second.status) newer->second.status = entry.status;
      }
    }
    if (!failed) {
      retry = kFirstRetry;
      continue;
    }
    if (!co_await runtime::sleep_for(retry)) co_return;
    retry = std::min(retry * 2, kMaxRetry);
  }
}

// Nothing where the pod is gone, or another one has its name.
runtime::Task<Result<>> StatusReporter::write(Entry entry) {
  if (entry.status) {
    const Result<> written = co_await write_status(entry);
    if (!written && written.error().code == Code::kNotFound) co_return {};
    if (!written) co_return written;
  }
  if (!entry.remove) co_return {};
  client::DeleteOptions options;
  options.grace_period_seconds = 0;
  options.uid = entry.uid;
  const Result<> removed = co_await client_.remove<core::Pod>(entry.ns, entry.name, options);
  const bool gone =
      !removed && (removed.error().code == Code::kNotFound || removed.error().code == Code::kConflict);
  if (gone) co_return {};
  co_return removed;
}

runtime::Task<Result<>> StatusReporter::write_status(const Entry& entry) {
  const auto cached = newest_(entry.ns, entry.name);
  core::Pod pod = cached && cached->metadata.uid == entry.uid
                      ? *cached
                      : CO_TRY(co_await client_.get<core::Pod>(entry.ns, entry.name));
  for (int attempt = 0;; ++attempt) {
    if (pod.metadata.uid != entry.uid) co_return fail(Code::kNotFound, "another pod has this name now");
    core::PodStatus status = *entry.status;
    status.nominatedNodeName = pod.status.nominatedNodeName;
    status.resize = pod.status.resize;
    pod.status = std::move(status);
    const auto written = co_await client_.update_status(pod);
    if (written) co_return {};
    if (written.error().code != Code::kConflict || attempt == kMaxConflicts)
      co_return std::unexpected(written.error());
    pod = CO_TRY(co_await client_.get<core::Pod>(entry.ns, entry.name));
  }
}

}  // namespace cloudless::kubelet
