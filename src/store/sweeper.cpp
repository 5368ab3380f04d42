// LocalStore's sweeper: removes what compaction made superfluous, in small steps beside the running store.
#include "store/errors.hpp"
#include "store/local_store.hpp"

namespace cloudless::store {
namespace {

// Keys that are looked at while readers and the writer wait: some tens of microseconds.
constexpr size_t kKeysPerStep = 512;
// Changes that are dropped at a time: what one transaction of the log removes.
constexpr size_t kChangesPerStep = 2048;
// A prune that fails is tried again so often and so much later; what is then left goes at the next start.
constexpr int kPruneAttempts = 5;
constexpr std::chrono::seconds kPruneRetry{1};

}  // namespace

bool LocalStore::sweeper_stopping() {
  const std::lock_guard lock(sweep_mutex_);
  return sweep_stopping_;
}

void LocalStore::run_sweeper() {
  for (;;) {
    Sweep sweep = Sweep::kNone;
    std::vector<runtime::Completion<Result<>>> waiters;
    {
      std::unique_lock lock(sweep_mutex_);
      sweep_signal_.wait(lock,
                         [this] { return sweep_ != Sweep::kNone || reclaim_requested_ || sweep_stopping_; });
      if (sweep_stopping_) break;
      sweep = std::exchange(sweep_, Sweep::kNone);
      reclaim_requested_ = false;
      waiters.swap(sweep_waiters_);
    }
    Result<> done;
    if (sweep != Sweep::kNone) done = sweep_all(sweep);
    if (done && sweep != Sweep::kIndex) done = reclaim_all();
    if (!done) logger_.warn("cleaning up after a compaction failed", {{"error", done.error()}});
    for (const auto& waiter : waiters) waiter.complete(done);
  }
  const std::lock_guard lock(sweep_mutex_);
  for (const auto& waiter : sweep_waiters_) waiter.complete(std::unexpected(errors::stopped()));
}

Result<> LocalStore::sweep_all(Sweep sweep) {
  Result<> result;
  std::string from;
  for (;;) {
    Index::Sweep step;
    {
      const std::unique_lock lock(state_mutex_);
      step = index_.sweep(from, kKeysPerStep, kChangesPerStep);
    }
    if (sweep == Sweep::kIndexAndLog && !step.prunes.empty()) {
      if (Result<> pruned = prune(step.prunes); !pruned) result = pruned;
    }
    if (step.done) return result;
    if (sweeper_stopping()) return std::unexpected(errors::stopped());
    from = std::move(step.next_key);
  }
}

Result<> LocalStore::prune(const std::vector<Prune>& prunes) {
  for (int attempt = 1;; ++attempt) {
    const Result<> pruned = log_->prune(prunes);
    if (pruned || attempt == kPruneAttempts) return pruned;
    std::unique_lock lock(sweep_mutex_);
    if (sweep_signal_.wait_for(lock, kPruneRetry, [this] { return sweep_stopping_; })) return pruned;
  }
}

Result<> LocalStore::reclaim_all() {
  while (TRY(log_->reclaim())) {
    if (sweeper_stopping()) return std::unexpected(errors::stopped());
  }
  return {};
}

}  // namespace cloudless::store
