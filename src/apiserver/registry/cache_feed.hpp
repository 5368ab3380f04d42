// CacheFeed: one watch on the store feeds the watch caches of all resources, by the prefix of their keys. How
// far the feed has come is one revision for all of them, so that a list of a quiet resource is as fresh as
// any.
//
// When the watch breaks (compacted, backend gone) the feed reads every cache anew; the watchers of the caches
// end and come back through 410 Expired.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apiserver/registry/watch_cache.hpp"
#include "base/log.hpp"
#include "runtime/completion.hpp"
#include "runtime/scope.hpp"
#include "store/store.hpp"

namespace cloudless::apiserver {

/// How long a read waits for the feed to reach the revision that it asks for (upstream's blockTimeout).
inline constexpr Duration kFreshnessTimeout = std::chrono::seconds(3);
/// Between two attempts to start the watch again.
inline constexpr Duration kFeedRetryDelay = std::chrono::milliseconds(500);

class CacheFeed {
 public:
  /// `prefix`: what all keys have in front ("/registry/"). `transformer` may be null.
  CacheFeed(store::Store& store, runtime::Executor& executor, std::string prefix,
            ValueTransformer* transformer, Logger log);
  ~CacheFeed();

  /// Starts the watch. Before any add().
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

  /// Loads `cache` with the keys under `prefix` and feeds it from then on.
  runtime::Task<Result<>> add(std::string prefix, std::shared_ptr<WatchCache> cache);
  /// Closes the cache of that prefix.
  void remove(std::string_view prefix);

  /// Everything up to this revision is in the caches.
  uint64_t revision() const;
  /// Waits until the feed is there; 504 after kFreshnessTimeout, or at once for a revision that has not
  /// happened.
  runtime::Task<ApiResult<>> wait_until(uint64_t revision);
  /// Waits until the feed has reached what the store acknowledges now, and returns that revision.
  runtime::Task<ApiResult<uint64_t>> wait_until_fresh();

  bool healthy() const;

 private:
  runtime::Task<void> run(runtime::Completion<Result<>> opened);
  runtime::Task<Result<>> open();
  runtime::Task<Result<>> reload_all();
  runtime::Task<Result<>> load(std::string prefix, std::shared_ptr<WatchCache> cache);
  void dispatch(const store::WatchBatch& batch);
  void advance(uint64_t revision);
  Result<CachedObjectPtr> decode(const store::KeyValue& kv, const FieldIndex& fields) const;
  std::pair<std::string, std::shared_ptr<WatchCache>> route(std::string_view key) const;

  store::Store& store_;
  const std::string prefix_;
  ValueTransformer* const transformer_;
  const Logger log_;
  runtime::TaskScope scope_;

  mutable std::mutex mutex_;
  std::shared_ptr<store::Watcher> watcher_;
  uint64_t revision_ = 0;
  bool healthy_ = false;
  std::map<std::string, std::shared_ptr<WatchCache>, std::less<>> caches_;
  struct Waiting {
    uint64_t revision;
    runtime::Completion<bool> done;
  };
  std::vector<Waiting> waiting_;
};

}  // namespace cloudless::apiserver
