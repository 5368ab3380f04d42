#include "store/local_store.hpp"

#include <algorithm>

#include "store/crc32c.hpp"
#include "store/errors.hpp"
#include "store/varint.hpp"

namespace cloudless::store {
namespace {

// Threads that read values which are not in memory, and reads that wait for one.
constexpr size_t kReaderThreads = 2;
constexpr size_t kReaderQueue = 4096;
// Jobs, and bytes of their requests, that wait for the writer at the most.
constexpr size_t kQueueJobs = 20'000;
constexpr size_t kQueueBytes = 128 << 20;
// A read of the present that loses its values to a compaction starts again this often.
constexpr int kReadAttempts = 3;
// What this store is compatible with, for kube-apiserver's feature checks (progress notifications, streaming
// lists).
constexpr std::string_view kEtcdVersion = "3.6.5";

}  // namespace

LocalStore::LocalStore(std::unique_ptr<Log> log, Options options, const Clock& clock, Random& random,
                       Logger logger)
    : log_(std::move(log)),
      options_(std::move(options)),
      limits_{options_.max_txn_ops, options_.max_request_bytes},
      clock_(clock),
      random_(random),
      logger_(std::move(logger)),
      values_(*log_, options_.value_cache_bytes),
      leases_(clock),
      evaluator_(index_, state_mutex_, leases_, values_),
      hub_(*this),
      readers_("store-read", kReaderThreads, kReaderQueue) {}

Result<std::unique_ptr<LocalStore>> LocalStore::open(std::unique_ptr<Log> log, Options options,
                                                     const Clock& clock, Random& random, Logger logger) {
  std::unique_ptr<LocalStore> store(
      new LocalStore(std::move(log), std::move(options), clock, random, std::move(logger)));
  TRY(store->load());
  LocalStore& opened = *store;
  store->log_->on_moved([&opened] {
    const std::lock_guard lock(opened.queue_mutex_);
    opened.moved_ = true;
    opened.queue_signal_->notify_one();
  });
  store->writer_ = std::thread([&opened] { opened.run_writer(); });
  store->sweeper_ = std::thread([&opened] { opened.run_sweeper(); });
  return store;
}

LocalStore::~LocalStore() {
  log_->on_moved(nullptr);
  {
    const std::lock_guard lock(queue_mutex_);
    stopping_ = true;
    queue_signal_->notify_one();
  }
  {
    const std::lock_guard lock(sweep_mutex_);
    sweep_stopping_ = true;
    sweep_signal_.notify_one();
  }
  if (writer_.joinable()) writer_.join();
  if (sweeper_.joinable()) sweeper_.join();
  hub_.close(errors::stopped());
}

Result<> LocalStore::load() {
  Meta meta = TRY(log_->meta());
  if (!meta.contains(kClusterFact)) {
    std::string id;
    put_fixed64(id, random_.next() >> 1);
    TRY(log_->append({.meta = {{std::string(kClusterFact), id}}}));
    meta = TRY(log_->meta());
  }
  TRY(load_facts(meta));
  member_id_ = random_.next() >> 1;
  TRY(take_in(kEmptyHead - 1));
  if (index_.compacted() > 0) sweep_ = Sweep::kIndexAndLog;
  return {};
}

Result<> LocalStore::load_facts(const Meta& meta) {
  const auto number = [&](std::string_view key) -> uint64_t {
    const auto found = meta.find(key);
    return found != meta.end() && found->second.size() == 8 ? load_fixed64(found->second.data()) : 0;
  };
  const std::unique_lock lock(state_mutex_);
  cluster_id_ = number(kClusterFact);
  no_space_ = meta.contains(kNoSpaceFact);
  const auto compacted = static_cast<Revision>(number(kCompactFact));
  if (compacted > index_.compacted()) {
    index_.set_compacted(compacted);
    const std::lock_guard sweep_lock(sweep_mutex_);
    // Whoever compacted prunes the log.
    sweep_ = std::max(sweep_, Sweep::kIndex);
    sweep_signal_.notify_one();
  }
  leases_.load(meta);
  return {};
}

// Adds the log's entries after `after` to the index, and tells watchers of them.
Result<> LocalStore::take_in(Revision after) {
  const bool watched = !hub_.idle();
  std::vector<StagedChange> changes;
  const Revision head = TRY(log_->head());
  TRY(log_->replay(after, [&](Revision revision, std::string_view record) -> Result<> {
    return take_in_record(revision, record, watched ? &changes : nullptr);
  }));
  {
    const std::unique_lock lock(state_mutex_);
    index_.skip_to(std::max(head, index_.visible()));
  }
  std::vector<SharedEvent> events;
  events.reserve(changes.size());
  for (const StagedChange& change : changes) {
    // A value that is compacted by now is superseded by a later change, which is in `changes` too.
    if (SharedEvent event = make_event(change, hub_.wants_previous(change.key))) {
      events.push_back(std::move(event));
    }
  }
  hub_.publish(events, index_.visible());
  return {};
}

Result<> LocalStore::take_in_record(Revision revision, std::string_view record,
                                    std::vector<StagedChange>* changes) {
  const std::unique_lock lock(state_mutex_);
  if (revision <= index_.visible()) return {};
  if (revision > index_.visible() + 1) index_.skip_to(revision - 1);
  TRY(decode_record(revision, record, [&](const Change& change) {
    Version version{.mod = revision, .create = change.create_revision, .lease = change.lease};
    version.number = change.version;
    version.deleted = change.type == EventType::kDelete;
    version.full = change.encoding != Encoding::kDelta;
    const Version* const previous = index_.find(change.key, index_.staged());
    const Version before = previous ? *previous : Version();
    if (before.lease != version.lease) leases_.detach(before.lease, change.key);
    if (version.lease != 0) leases_.attach(version.lease, std::string(change.key));
    index_.stage(change.key, version);
    if (changes) changes->push_back({change.type, std::string(change.key), version, nullptr, before});
    return true;
  }));
  index_.publish();
  return {};
}

Result<LocalStore::Writer> LocalStore::enqueue(Job job, size_t bytes) {
  const std::lock_guard lock(queue_mutex_);
  if (stopping_) return std::unexpected(errors::stopped());
  if (queue_.size() >= kQueueJobs || queue_bytes_ + bytes > kQueueBytes) {
    return std::unexpected(errors::too_many_requests());
  }
  queue_.push_back(std::move(job));
  queue_bytes_ += bytes;
  return queue_.size() == 1 ? Writer::kToBeWoken : Writer::kKnows;
}

runtime::Task<Result<Evaluator::Response>> LocalStore::write(Evaluator::Request request, size_t bytes) {
  const runtime::TaskContext context = co_await runtime::current_context();
  Write job{.request = std::move(request), .bytes = bytes};
  const auto done = job.done;
  if (CO_TRY(enqueue(std::move(job), bytes)) == Writer::kToBeWoken) {
    // After what the caller's thread has at hand, so that writes which come together share a sync.
    context.executor->post([signal = queue_signal_] { signal->notify_one(); });
  }
  co_return CO_TRY(co_await done.wait());
}

runtime::Task<Result<>> LocalStore::refresh() {
  const runtime::Completion<Result<>> done;
  {
    const std::lock_guard lock(queue_mutex_);
    if (stopping_) co_return std::unexpected(errors::stopped());
    if (refreshers_.size() >= kQueueJobs) co_return std::unexpected(errors::too_many_requests());
    refreshers_.push_back(done);
    queue_signal_->notify_one();
  }
  co_return CO_TRY(co_await done.wait());
}

bool LocalStore::fill_from_cache(RangePlan& plan) {
  bool complete = true;
  for (RangePlan::Row& row : plan.rows) {
    row.value = values_.cached(row.key, row.version.mod);
    complete = complete && row.value;
  }
  return complete;
}

Result<> LocalStore::fill(RangePlan& plan) {
  // In the order of the log, which is the order of the disk.
  std::vector<RangePlan::Row*> missing;
  for (RangePlan::Row& row : plan.rows) {
    if (!row.value) missing.push_back(&row);
  }
  std::ranges::sort(missing, {}, [](const RangePlan::Row* row) { return row->version.mod; });
  for (RangePlan::Row* row : missing) row->value = TRY(values_.read(row->key, row->version.mod));
  return {};
}

runtime::Task<Result<RangeResponse>> LocalStore::range(RangeRequest request) {
  CO_TRY(check_request(request));
  if (log_->shared() && !request.serializable) CO_TRY(co_await refresh());
  for (int attempt = 1;; ++attempt) {
    auto plan = std::make_shared<RangePlan>();
    {
      const std::shared_lock lock(state_mutex_);
      *plan = CO_TRY(plan_range(index_, request, index_.visible()));
    }
    const bool needs_values = !request.keys_only || plan->unsorted;
    if (!needs_values || fill_from_cache(*plan)) co_return finish_range(std::move(*plan), request);
    const Result<> filled = co_await readers_.run([this, plan] { return fill(*plan); });
    if (filled) co_return finish_range(std::move(*plan), request);
    if (filled.error().code != Code::kNotFound) co_return std::unexpected(filled.error());
    // Compacted between looking at the index and reading the log.
    if (request.revision != 0 || attempt == kReadAttempts) co_return std::unexpected(errors::compacted());
  }
}

runtime::Task<Result<PutResponse>> LocalStore::put(PutRequest request) {
  CO_TRY(check_request(request, limits_));
  const size_t bytes = request.key.size() + view(request.value).size();
  co_return std::get<PutResponse>(CO_TRY(co_await write(std::move(request), bytes)));
}

runtime::Task<Result<DeleteRangeResponse>> LocalStore::delete_range(DeleteRangeRequest request) {
  CO_TRY(check_request(request));
  const size_t bytes = request.key.size() + request.range_end.size();
  co_return std::get<DeleteRangeResponse>(CO_TRY(co_await write(std::move(request), bytes)));
}

runtime::Task<Result<TxnResponse>> LocalStore::txn(TxnRequest request) {
  CO_TRY(check_request(request, limits_));
  const size_t bytes = request_bytes(request);
  co_return std::get<TxnResponse>(CO_TRY(co_await write(std::move(request), bytes)));
}

runtime::Task<Result<Revision>> LocalStore::compact(Revision revision, bool physical) {
  const Revision now =
      CO_TRY(co_await on_writer<Revision>([this, revision] { return compact_now(revision); }));
  const runtime::Completion<Result<>> swept;
  {
    const std::lock_guard lock(sweep_mutex_);
    sweep_ = Sweep::kIndexAndLog;
    if (physical) sweep_waiters_.push_back(swept);
    sweep_signal_.notify_one();
  }
  if (physical) CO_TRY(CO_TRY(co_await swept.wait()));
  co_return now;
}

runtime::Task<Result<std::unique_ptr<Watcher>>> LocalStore::watch(WatchRequest request) {
  if (log_->shared()) CO_TRY(co_await refresh());
  Revision now = 0;
  {
    const std::shared_lock lock(state_mutex_);
    now = index_.visible();
  }
  co_return hub_.watch(std::move(request), now);
}

Result<Lease> LocalStore::grant_now(LeaseId id, std::chrono::seconds ttl) {
  if (no_space_) return std::unexpected(errors::no_space());
  if (log_->shared()) TRY(reload_facts());
  if (id == 0) {
    do id = static_cast<LeaseId>(random_.next() >> 1);
    while (id == 0 || leases_.contains(id));
  }
  if (leases_.contains(id)) return std::unexpected(errors::lease_exists());
  {
    const std::unique_lock lock(state_mutex_);
    leases_.grant(id, ttl);
  }
  evaluator_.reset();
  const Result<> appended = append({leases_.fact(id)}, Durability::kStrict);
  const std::unique_lock lock(state_mutex_);
  if (!appended) {
    leases_.forget(id);
    return std::unexpected(appended.error());
  }
  leases_.mark_persisted(id);
  return Lease{.id = id, .granted_ttl = ttl, .ttl = ttl};
}

runtime::Task<Result<Lease>> LocalStore::grant_lease(LeaseId id, std::chrono::seconds ttl) {
  if (ttl > kLongestLease) co_return std::unexpected(errors::lease_ttl_too_large());
  const std::chrono::seconds granted = std::max(ttl, kShortestLease);
  co_return co_await on_writer<Lease>([this, id, granted] { return grant_now(id, granted); });
}

runtime::Task<Result<Revision>> LocalStore::revoke_lease(LeaseId id) {
  co_return co_await on_writer<Revision>([this, id]() -> Result<Revision> {
    if (!leases_.contains(id) && log_->shared()) TRY(reload_facts());
    if (!leases_.contains(id)) return std::unexpected(errors::lease_not_found());
    return revoke_now(id);
  });
}

runtime::Task<Result<std::chrono::seconds>> LocalStore::keep_lease_alive(LeaseId id) {
  co_return co_await on_writer<std::chrono::seconds>([this, id]() -> Result<std::chrono::seconds> {
    // Who shares the log expires leases too, so it learns of every renewal.
    const bool others_must_know = log_->shared();
    if (others_must_know) TRY(reload_facts());
    {
      const std::unique_lock lock(state_mutex_);
      if (!leases_.keep_alive(id)) return std::unexpected(errors::lease_not_found());
    }
    if (others_must_know || leases_.fact_is_stale(id)) {
      evaluator_.reset();
      evaluator_.need_lease(id);
      if (const Result<> appended = append({leases_.fact(id)}, Durability::kRelaxed); !appended) {
        if (appended.error().code != Code::kConflict) return std::unexpected(appended.error());
        TRY(reload_facts());
        return std::unexpected(errors::lease_not_found());
      }
      const std::unique_lock lock(state_mutex_);
      leases_.mark_persisted(id);
    }
    return leases_.describe(id, false)->granted_ttl;
  });
}

runtime::Task<Result<Lease>> LocalStore::lease_time_to_live(LeaseId id, bool with_keys) {
  if (log_->shared())
    CO_TRY(co_await on_writer<bool>([this]() -> Result<bool> {
      TRY(reload_facts());
      return true;
    }));
  const std::shared_lock lock(state_mutex_);
  if (std::optional<Lease> lease = leases_.describe(id, with_keys)) co_return std::move(*lease);
  co_return Lease{.id = id, .ttl = std::chrono::seconds(-1)};
}

runtime::Task<Result<std::vector<LeaseId>>> LocalStore::leases() {
  const std::shared_lock lock(state_mutex_);
  co_return leases_.ids();
}

runtime::Task<Result<Status>> LocalStore::status() {
  const LogStatus log = CO_TRY(co_await readers_.run([this] { return Result<LogStatus>(log_->status()); }));
  const std::shared_lock lock(state_mutex_);
  Status status{.revision = index_.visible(),
                .compact_revision = index_.compacted(),
                .db_size_bytes = log.size_bytes,
                .db_size_in_use_bytes = log.in_use_bytes,
                .keys = index_.live_keys(),
                .health = log.health,
                .reason = log.reason,
                .cluster_id = cluster_id_,
                .member_id = member_id_,
                .version = std::string(kEtcdVersion)};
  if (no_space_) status.alarms.push_back(AlarmType::kNoSpace);
  if (log.health == Health::kDamaged) status.alarms.push_back(AlarmType::kCorrupt);
  co_return status;
}

runtime::Task<Result<Revision>> LocalStore::revision() {
  const std::shared_lock lock(state_mutex_);
  co_return index_.visible();
}

runtime::Task<Result<HashKv>> LocalStore::hash_kv(Revision revision) {
  RangeRequest everything{
      .key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .revision = revision};
  const RangeResponse response = CO_TRY(co_await range(std::move(everything)));
  HashKv hash{.revision = revision > 0 ? revision : response.revision,
              .compact_revision = compact_revision()};
  std::string numbers;
  for (const KeyValue& kv : response.kvs) {
    numbers.clear();
    put_bytes(numbers, kv.key);
    for (const int64_t number : {kv.create_revision, kv.mod_revision, kv.version, kv.lease}) {
      put_varint(numbers, static_cast<uint64_t>(number));
    }
    put_varint(numbers, view(kv.value).size());
    hash.hash = crc32c(view(kv.value), crc32c(numbers, hash.hash));
  }
  co_return hash;
}

runtime::Task<Result<>> LocalStore::defragment() {
  const runtime::Completion<Result<>> done;
  {
    const std::lock_guard lock(sweep_mutex_);
    reclaim_requested_ = true;
    sweep_waiters_.push_back(done);
    sweep_signal_.notify_one();
  }
  co_return CO_TRY(co_await done.wait());
}

runtime::Task<Result<bool>> LocalStore::disarm(AlarmType alarm) {
  if (alarm != AlarmType::kNoSpace) co_return false;
  co_return co_await on_writer<bool>([this]() -> Result<bool> {
    if (!no_space_) return false;
    evaluator_.reset();
    TRY(append({{std::string(kNoSpaceFact), std::nullopt}}, Durability::kStrict));
    const std::unique_lock lock(state_mutex_);
    no_space_ = false;
    return true;
  });
}

void LocalStore::wake() {
  const std::lock_guard lock(queue_mutex_);
  woken_ = true;
  queue_signal_->notify_one();
}

}  // namespace cloudless::store
