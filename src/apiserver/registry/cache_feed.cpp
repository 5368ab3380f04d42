#include "apiserver/registry/cache_feed.hpp"

#include "runtime/timer.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

Task<Result<>> reached(runtime::Completion<bool> done) {
  const Result<bool> waited = co_await done.wait();
  if (!waited) co_return std::unexpected(waited.error());
  co_return Result<>();
}

}  // namespace

CacheFeed::CacheFeed(store::Store& store, runtime::Executor& executor, std::string prefix,
                     ValueTransformer* transformer, Logger log)
    : store_(store),
      prefix_(std::move(prefix)),
      transformer_(transformer),
      log_(std::move(log)),
      scope_(executor, log_) {}

CacheFeed::~CacheFeed() = default;

// A watch is used on the executor that began it, and start() may run on another than run().
Task<Result<>> CacheFeed::start() {
  runtime::Completion<Result<>> opened;
  scope_.spawn(run(opened));
  co_return CO_TRY(co_await opened.wait());
}

Task<void> CacheFeed::stop() {
  scope_.cancel();
  co_await scope_.join();
  const std::lock_guard lock(mutex_);
  watcher_.reset();
  for (const auto& [prefix, cache] : caches_) cache->close();
}

// A watch from the present on; what was before is in the caches' loads.
Task<Result<>> CacheFeed::open() {
  const store::RangeResponse now =
      CO_TRY(co_await store_.range({.key = prefix_, .limit = 1, .count_only = true}));
  std::shared_ptr<store::Watcher> watcher = CO_TRY(co_await store_.watch(
      {.key = prefix_, .range_end = store::prefix_range_end(prefix_), .start_revision = now.revision + 1}));
  {
    const std::lock_guard lock(mutex_);
    watcher_ = std::move(watcher);
    healthy_ = true;
  }
  advance(static_cast<uint64_t>(now.revision));
  co_return Result<>();
}

Task<void> CacheFeed::run(runtime::Completion<Result<>> opened) {
  const Result<> first = co_await open();
  opened.complete(first);
  if (!first) co_return;
  while (!scope_.cancelled()) {
    const std::shared_ptr<store::Watcher> watcher = watcher_;
    Result<store::WatchBatch> batch = co_await watcher->next();
    if (batch) {
      dispatch(*batch);
      advance(static_cast<uint64_t>(batch->revision));
      continue;
    }
    if (scope_.cancelled()) co_return;
    log_.warn("the watch on the store broke; reading all resources again", {{"error", batch.error()}});
    {
      const std::lock_guard lock(mutex_);
      healthy_ = false;
    }
    for (;;) {
      if (!co_await runtime::sleep_for(kFeedRetryDelay)) co_return;
      if (co_await open() && co_await reload_all()) break;
    }
  }
}

Task<Result<>> CacheFeed::reload_all() {
  std::map<std::string, std::shared_ptr<WatchCache>, std::less<>> caches;
  {
    const std::lock_guard lock(mutex_);
    caches = caches_;
  }
  for (const auto& [prefix, cache] : caches) CO_TRY(co_await load(prefix, cache));
  co_return Result<>();
}

Task<Result<>> CacheFeed::add(std::string prefix, std::shared_ptr<WatchCache> cache) {
  {
    const std::lock_guard lock(mutex_);
    caches_.insert_or_assign(prefix, cache);
  }
  co_return co_await load(std::move(prefix), std::move(cache));
}

void CacheFeed::remove(std::string_view prefix) {
  const std::lock_guard lock(mutex_);
  const auto found = caches_.find(prefix);
  if (found == caches_.end()) return;
  found->second->close();
  caches_.erase(found);
}

Task<Result<>> CacheFeed::load(std::string prefix, std::shared_ptr<WatchCache> cache) {
  store::RangeResponse all =
      CO_TRY(co_await store_.range({.key = prefix, .range_end = store::prefix_range_end(prefix)}));
  std::vector<CachedObjectPtr> objects;
  objects.reserve(all.kvs.size());
  for (const store::KeyValue& kv : all.kvs) {
    // The prefix of one resource may lie under another's: /registry/services/ holds specs/ and endpoints/.
    if (route(kv.key).second != cache) continue;
    Result<CachedObjectPtr> object = decode(kv, cache->fields());
    if (object) {
      objects.push_back(std::move(*object));
    } else {
      log_.error("a stored object cannot be read and is not served",
                 {{"key", kv.key}, {"error", object.error()}});
    }
  }
  cache->load(static_cast<uint64_t>(all.revision), std::move(objects));
  co_return Result<>();
}

Result<CachedObjectPtr> CacheFeed::decode(const store::KeyValue& kv, const FieldIndex& fields) const {
  const auto revision = static_cast<uint64_t>(kv.mod_revision);
  if (!transformer_) return make_cached_object(kv.key, view(kv.value), revision, fields);
  const ValueTransformer::Plain plain = TRY(transformer_->from_storage(kv.key, *kv.value));
  return make_cached_object(kv.key, plain.value, revision, fields);
}

std::pair<std::string, std::shared_ptr<WatchCache>> CacheFeed::route(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  auto found = caches_.upper_bound(key);
  while (found != caches_.begin()) {
    --found;
    if (key.starts_with(found->first)) return *found;
  }
  return {};
}

void CacheFeed::dispatch(const store::WatchBatch& batch) {
  std::map<std::shared_ptr<WatchCache>, std::vector<Change>> changes;
  for (const store::SharedEvent& event : batch.events) {
    const auto [prefix, cache] = route(event->kv.key);
    if (!cache) continue;
    Change change{.key = event->kv.key, .revision = static_cast<uint64_t>(event->kv.mod_revision)};
    if (event->type == store::EventType::kPut) {
      Result<CachedObjectPtr> object = decode(event->kv, cache->fields());
      if (!object) {
        log_.error("a stored object cannot be read and is not served",
                   {{"key", change.key}, {"error", object.error()}});
        continue;
      }
      change.object = std::move(*object);
    }
    changes[cache].push_back(std::move(change));
  }
  for (const auto& [cache, list] : changes) cache->apply(list);
}

void CacheFeed::advance(uint64_t revision) {
  std::vector<runtime::Completion<bool>> done;
  {
    const std::lock_guard lock(mutex_);
    revision_ = std::max(revision_, revision);
    std::erase_if(waiting_, [&](const Waiting& waiting) {
      if (waiting.revision > revision_) return false;
      done.push_back(waiting.done);
      return true;
    });
  }
  for (const auto& completion : done) completion.complete(true);
}

uint64_t CacheFeed::revision() const {
  const std::lock_guard lock(mutex_);
  return revision_;
}

bool CacheFeed::healthy() const {
  const std::lock_guard lock(mutex_);
  return healthy_;
}

Task<ApiResult<>> CacheFeed::wait_until(uint64_t revision) {
  runtime::Completion<bool> done;
  {
    const std::lock_guard lock(mutex_);
    if (revision_ >= revision) co_return ApiResult<>();
    waiting_.push_back({revision, done});
    // The last revisions may lie outside of our keys; then only a progress report tells that we are there.
    if (watcher_) watcher_->request_progress();
  }
  const Result<> waited =
      co_await runtime::with_timeout(kFreshnessTimeout, "waiting for the watch cache", reached(done));
  if (!waited && waited.error().code == Code::kDeadlineExceeded) {
    co_return std::unexpected(too_large_resource_version(revision, this->revision()));
  }
  if (!waited) co_return std::unexpected(ApiStatus(waited.error()));
  co_return ApiResult<>();
}

Task<ApiResult<uint64_t>> CacheFeed::wait_until_fresh() {
  const Result<store::RangeResponse> now =
      co_await store_.range({.key = prefix_, .limit = 1, .count_only = true});
  if (!now) co_return std::unexpected(ApiStatus(now.error()));
  const auto revision = static_cast<uint64_t>(now->revision);
  CO_TRY(co_await wait_until(revision));
  co_return revision;
}

}  // namespace cloudless::apiserver
