// What the store's tests share: a store on a loop thread, called as if it were synchronous, and short ways to
// write requests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/event_loop.hpp"
#include "runtime/simulation.hpp"
#include "runtime/timer.hpp"
#include "store/local_store.hpp"
#include "store/memory_log.hpp"

namespace cloudless::store::testing {

inline PutRequest put(std::string key, std::string value, LeaseId lease = 0) {
  return {.key = std::move(key), .value = share(std::move(value)), .lease = lease};
}
inline RangeRequest get(std::string key, Revision revision = 0) {
  return {.key = std::move(key), .revision = revision};
}
inline RangeRequest list(std::string prefix, Revision revision = 0) {
  std::string end = prefix_range_end(prefix);
  if (prefix.empty()) prefix = std::string(1, '\0');
  return {.key = std::move(prefix), .range_end = std::move(end), .revision = revision};
}
inline DeleteRangeRequest del(std::string key) { return {.key = std::move(key)}; }
inline Compare mod_is(std::string key, Revision revision) {
  return {.result = CompareResult::kEqual,
          .target = CompareTarget::kMod,
          .key = std::move(key),
          .number = revision};
}

/// A directory of its own, gone with the object.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cloudless-store-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Runs tasks on a loop thread and waits for them.
class Runner {
 public:
  template <class T>
  T operator()(runtime::Task<T> task) {
    return runtime::run_blocking(thread_.loop(), std::move(task));
  }

 private:
  runtime::LoopThread thread_{"store-test"};
};

inline std::vector<std::string> keys_of(const RangeResponse& response) {
  std::vector<std::string> keys;
  for (const KeyValue& kv : response.kvs) keys.push_back(kv.key);
  return keys;
}

/// "put /a=1@2" or "delete /a@3".
inline std::string describe(const Event& event) {
  if (event.type == EventType::kDelete)
    return fmt::format("delete {}@{}", event.kv.key, event.kv.mod_revision);
  return fmt::format("put {}={}@{}", event.kv.key, view(event.kv.value), event.kv.mod_revision);
}

/// The next `count` events of a watch.
inline std::vector<std::string> next_events(Runner& run, Watcher& watcher, size_t count) {
  std::vector<std::string> events;
  while (events.size() < count) {
    Result<WatchBatch> batch =
        run(runtime::with_timeout(std::chrono::seconds(60), "a watch event", watcher.next()));
    if (!batch) {
      events.push_back("error: " + batch.error().message);
      return events;
    }
    for (const SharedEvent& event : batch->events) events.push_back(describe(*event));
  }
  return events;
}

}  // namespace cloudless::store::testing
