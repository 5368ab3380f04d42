// LocalStore's writer: the one thread that commits.
#include <algorithm>

#include "store/errors.hpp"
#include "store/local_store.hpp"
#include "store/varint.hpp"

namespace cloudless::store {
namespace {

// Writes, and bytes of their requests, that share one append at the most.
constexpr size_t kBatchWrites = 1024;
constexpr size_t kBatchBytes = 4 << 20;
// How often a batch is evaluated again because other writers of a shared log were faster.
constexpr int kAppendAttempts = 100;
// A relaxed write becomes durable after this at the latest.
constexpr std::chrono::seconds kRelaxedSyncDelay{5};
// How often the size is held against the quota.
constexpr std::chrono::seconds kQuotaInterval{2};
// Duties that fail (the disk is full, the database away) are tried again after this.
constexpr std::chrono::seconds kDutyRetry{1};
// Leases that expire in one go, so that writers are not held up.
constexpr size_t kExpiredAtOnce = 64;

}  // namespace

namespace {

bool names_unknown_lease(const PutRequest& put, const LeaseTable& leases) {
  return put.lease != 0 && !leases.contains(put.lease);
}

bool names_unknown_lease(const TxnRequest& txn, const LeaseTable& leases) {
  const auto names = [&leases](const TxnOp& op) {
    if (const auto* put = std::get_if<PutRequest>(&op)) return names_unknown_lease(*put, leases);
    const auto* nested = std::get_if<std::shared_ptr<const TxnRequest>>(&op);
    return nested && names_unknown_lease(**nested, leases);
  };
  return std::ranges::any_of(txn.success, names) || std::ranges::any_of(txn.failure, names);
}

bool names_unknown_lease(const Evaluator::Request& request, const LeaseTable& leases) {
  if (const auto* put = std::get_if<PutRequest>(&request)) return names_unknown_lease(*put, leases);
  const auto* txn = std::get_if<TxnRequest>(&request);
  return txn && names_unknown_lease(*txn, leases);
}

}  // namespace

void LocalStore::run_writer() {
  for (;;) {
    Work work = wait_for_work();
    if (work.moved || !work.refreshers.empty()) {
      Result<> caught_up = catch_up();
      if (caught_up && work.moved) caught_up = reload_facts();
      if (!caught_up) logger_.warn("cannot follow the log", {{"error", caught_up.error()}});
      for (const auto& refresher : work.refreshers) refresher.complete(caught_up);
    }
    run_jobs(work.jobs);
    do_duties();
    if (work.stopping && work.jobs.empty()) break;
  }
  if (Result<> synced = log_->sync(); !synced) {
    logger_.error("the last relaxed writes are not durable", {{"error", synced.error()}});
  }
}

LocalStore::Work LocalStore::wait_for_work() {
  std::unique_lock lock(queue_mutex_);
  const auto ready = [this] {
    return !queue_.empty() || !refreshers_.empty() || moved_ || woken_ || stopping_;
  };
  if (const std::optional<SteadyTime> duty = next_duty()) {
    const Duration delay =
        std::clamp<Duration>(*duty - clock_.steady_now(), Duration(0), std::chrono::hours(1));
    queue_signal_->wait_for(lock, delay, ready);
  } else {
    queue_signal_->wait(lock, ready);
  }
  Work work;
  work.jobs.swap(queue_);
  work.refreshers.swap(refreshers_);
  work.moved = std::exchange(moved_, false);
  work.stopping = stopping_ && work.jobs.empty();
  woken_ = false;
  queue_bytes_ = 0;
  return work;
}

std::optional<SteadyTime> LocalStore::next_duty() const {
  std::optional<SteadyTime> next = leases_.next_end();
  if (relaxed_since_) {
    const SteadyTime due = *relaxed_since_ + kRelaxedSyncDelay;
    next = next ? std::min(*next, due) : due;
  }
  if (next) next = std::max(*next, duties_not_before_);
  return next;
}

void LocalStore::do_duties() {
  if (clock_.steady_now() < duties_not_before_) return;
  expire_leases();
  sync_relaxed();
}

void LocalStore::run_jobs(std::deque<Job>& jobs) {
  std::vector<Write> batch;
  size_t batch_bytes = 0;
  const auto flush = [&] {
    if (!batch.empty()) commit(batch);
    batch.clear();
    batch_bytes = 0;
  };
  for (Job& job : jobs) {
    if (auto* write = std::get_if<Write>(&job)) {
      if (batch.size() >= kBatchWrites || batch_bytes + write->bytes > kBatchBytes) flush();
      batch_bytes += write->bytes;
      batch.push_back(std::move(*write));
    } else {
      flush();
      std::get<Control>(job)();
    }
  }
  flush();
  jobs.clear();
}

// Runs `attempt` until it is not outrun by another writer of a shared log.
template <class Attempt>
auto LocalStore::against_present(const Attempt& attempt) -> std::invoke_result_t<Attempt> {
  for (int tried = 0; tried < kAppendAttempts; ++tried) {
    auto result = attempt();
    if (result || result.error().code != Code::kConflict) return result;
    TRY(catch_up());
    // A lease that a put names may be what has gone.
    if (!evaluator_.leases().empty()) TRY(reload_facts());
  }
  return fail(Code::kUnavailable, "etcdserver: request timed out: other writers were faster {} times",
              kAppendAttempts);
}

void LocalStore::commit(std::vector<Write>& writes) {
  check_quota();
  auto results = against_present([&] { return commit_once(writes); });
  runtime::Resumptions together;
  for (size_t i = 0; i < writes.size(); ++i) {
    if (results) {
      writes[i].done.complete(std::move((*results)[i]), together);
    } else {
      writes[i].done.complete(std::unexpected(results.error()), together);
    }
  }
}

Result<std::vector<Result<Evaluator::Response>>> LocalStore::commit_once(const std::vector<Write>& writes) {
  const auto is_unknown = [this](const Write& write) { return names_unknown_lease(write.request, leases_); };
  // Another process may have granted it a moment ago.
  if (log_->shared() && std::ranges::any_of(writes, is_unknown)) TRY(reload_facts());
  evaluator_.reset();
  std::vector<Result<Evaluator::Response>> results;
  results.reserve(writes.size());
  for (const Write& write : writes) results.push_back(evaluator_.run(write.request, no_space_));
  if (evaluator_.has_entries()) {
    TRY(append({}, durability_of_staged()));
    publish();
  } else if (TRY(behind())) {
    // Nothing is appended, so nothing would have told that these answers are of the past.
    return fail(Code::kConflict, "the log has moved");
  }
  return results;
}

Result<bool> LocalStore::behind() {
  if (!log_->shared()) return false;
  return TRY(log_->head()) != index_.visible();
}

Durability LocalStore::durability_of_staged() const {
  if (options_.all_strict) return Durability::kStrict;
  const auto is_relaxed = [&](const StagedChange& change) {
    return std::ranges::any_of(options_.relaxed_prefixes,
                               [&](const std::string& prefix) { return change.key.starts_with(prefix); });
  };
  return std::ranges::all_of(evaluator_.changes(), is_relaxed) ? Durability::kRelaxed : Durability::kStrict;
}

// Others may revoke a lease while this process extends it or attaches keys to it.
std::vector<std::string> LocalStore::needed_facts() const {
  std::vector<std::string> needed;
  if (!log_->shared()) return needed;
  for (const LeaseId id : evaluator_.leases()) {
    if (leases_.contains(id)) needed.push_back(LeaseTable::fact_key(id));
  }
  return needed;
}

Result<> LocalStore::append(std::vector<MetaChange> facts, Durability durability, Head head) {
  const Result<> appended = log_->append({.head = index_.visible(),
                                          .entries = evaluator_.take_entries(),
                                          .meta = std::move(facts),
                                          .durability = durability,
                                          .only_at_head = head == Head::kAtHead,
                                          .needs = needed_facts()});
  if (!appended) {
    const std::unique_lock lock(state_mutex_);
    index_.rollback(index_.visible());
    return appended;
  }
  if (durability == Durability::kStrict) {
    relaxed_since_.reset();
  } else if (!relaxed_since_) {
    relaxed_since_ = clock_.steady_now();
  }
  return {};
}

void LocalStore::publish() {
  const std::vector<StagedChange>& changes = evaluator_.changes();
  for (const StagedChange& change : changes) {
    if (change.type == EventType::kPut) values_.remember(change.key, change.version.mod, change.value);
  }
  {
    const std::unique_lock lock(state_mutex_);
    for (const StagedChange& change : changes) {
      if (change.previous.lease == change.version.lease) continue;
      if (change.previous.lease != 0) leases_.detach(change.previous.lease, change.key);
      if (change.version.lease != 0) leases_.attach(change.version.lease, change.key);
    }
    index_.publish();
  }
  std::vector<SharedEvent> events;
  if (!hub_.idle()) {
    events.reserve(changes.size());
    for (const StagedChange& change : changes) {
      events.push_back(make_event(change, hub_.wants_previous(change.key)));
    }
  }
  hub_.publish(events, index_.visible());
}

Result<> LocalStore::catch_up() {
  if (TRY(log_->head()) < index_.visible()) return reload_all();
  return take_in(index_.visible());
}

// The database went back to an earlier state (restored from a backup, or failed over to a replica that
// lagged): what this process knows is of another history.
Result<> LocalStore::reload_all() {
  logger_.error("the log went back to an earlier revision; reading it again from its start",
                {{"known", index_.visible()}});
  hub_.close({Code::kUnavailable, "etcdserver: the backend went back to an earlier revision"});
  {
    const std::unique_lock lock(state_mutex_);
    index_.clear();
    leases_.detach_all();
  }
  values_.clear();
  TRY(reload_facts());
  return take_in(kEmptyHead - 1);
}

Result<> LocalStore::reload_facts() { return load_facts(TRY(log_->meta())); }

void LocalStore::expire_leases() {
  std::vector<LeaseId> expired = leases_.expired();
  if (expired.empty()) return;
  Result<> done;
  if (log_->shared()) {
    // Another process may have renewed them.
    done = reload_facts();
    expired = leases_.expired();
  }
  expired.resize(std::min(expired.size(), kExpiredAtOnce));
  for (const LeaseId id : expired) {
    if (!done) break;
    if (Result<Revision> revoked = revoke_now(id); !revoked) done = std::unexpected(revoked.error());
  }
  if (done) return;
  logger_.warn("cannot revoke an expired lease", {{"error", done.error()}});
  duties_not_before_ = clock_.steady_now() + kDutyRetry;
}

void LocalStore::sync_relaxed() {
  const SteadyTime now = clock_.steady_now();
  if (!relaxed_since_ || now < *relaxed_since_ + kRelaxedSyncDelay) return;
  if (Result<> synced = log_->sync(); !synced) {
    logger_.warn("relaxed writes are not durable yet", {{"error", synced.error()}});
    duties_not_before_ = now + kDutyRetry;
    return;
  }
  relaxed_since_.reset();
}

void LocalStore::check_quota() {
  const SteadyTime now = clock_.steady_now();
  if (no_space_ || options_.quota_bytes <= 0 || now < quota_checked_ + kQuotaInterval) return;
  quota_checked_ = now;
  const int64_t size = log_->status().size_bytes;
  if (size <= options_.quota_bytes) return;
  logger_.error(
      "the store has outgrown its quota: writes fail until it is compacted and the alarm is disarmed",
      {{"size_bytes", size}, {"quota_bytes", options_.quota_bytes}});
  evaluator_.reset();
  if (Result<> appended = append({{std::string(kNoSpaceFact), ""}}, Durability::kStrict); !appended) {
    logger_.warn("the alarm is not stored", {{"error", appended.error()}});
  }
  const std::unique_lock lock(state_mutex_);
  no_space_ = true;
}

Result<Revision> LocalStore::revoke_now(LeaseId id) {
  return against_present([&]() -> Result<Revision> {
    // Which keys the lease has is what others have put meanwhile, too. With none, a put that attaches one
    // must still not slip in between.
    if (log_->shared()) TRY(catch_up());
    evaluator_.reset();
    Result<Revision> staged = evaluator_.delete_keys(leases_.keys(id));
    if (!staged) return staged;
    TRY(append({LeaseTable::forgotten_fact(id)}, durability_of_staged(), Head::kAtHead));
    publish();
    const std::unique_lock lock(state_mutex_);
    leases_.forget(id);
    return index_.visible();
  });
}

Result<Revision> LocalStore::compact_now(Revision revision) {
  if (log_->shared()) {
    TRY(catch_up());
    TRY(reload_facts());
  }
  if (revision <= index_.compacted()) return std::unexpected(errors::compacted());
  if (revision > index_.visible()) return std::unexpected(errors::future_revision());
  std::string number;
  put_fixed64(number, static_cast<uint64_t>(revision));
  evaluator_.reset();
  TRY(append({{std::string(kCompactFact), std::move(number)}}, Durability::kStrict));
  const std::unique_lock lock(state_mutex_);
  index_.set_compacted(revision);
  return index_.visible();
}

}  // namespace cloudless::store
