// LocalStore's sweeper: removes what compaction made superfluous, in small steps beside the running store.
#include <algorithm>
#include <iterator>

#include "store/errors.hpp"
#include "store/local_store.hpp"

namespace cloudless::store {
namespace {

// Keys that are looked at while readers and the writer wait: some tens of microseconds.
constexpr size_t kKeysPerStep = 512;
// Changes that are dropped at a time: what one transaction of the log removes.
constexpr size_t kChangesPerPrune = 2048;
// Changes that are collected before the log drops them in its own order, so that each page of it is rewritten
// once and not once for every key: some 4 MB.
constexpr size_t kChangesPerRound = 64 << 10;
// A prune that fails is tried again so often and so much later; what is then left goes at the next start.
constexpr int kPruneAttempts = 5;
constexpr std::chrono::seconds kPruneRetry{1};
// Between two transactions the disk is left to the writer for as long as the last one took, but no longer.
constexpr std::chrono::milliseconds kLongestRest{50};

// In the order of the log, each revision once.
void put_in_order(std::vector<Prune>& prunes) {
  std::ranges::sort(prunes, {}, &Prune::revision);
  size_t kept = 0;
  for (size_t i = 1; i < prunes.size(); ++i) {
    if (prunes[i].revision == prunes[kept].revision) {
      std::ranges::move(prunes[i].keys, std::back_inserter(prunes[kept].keys));
    } else if (++kept != i) {
      prunes[kept] = std::move(prunes[i]);
    }
  }
  if (!prunes.empty()) prunes.resize(kept + 1);
}

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
  Result<> pruned;
  for (std::optional<std::string> from = ""; from;) {
    std::vector<Prune> round;
    from = sweep_index(*from, round);
    // After a failure the log keeps everything: what is later must not go before what is earlier.
    if (sweep == Sweep::kIndexAndLog && pruned) pruned = prune_all(std::move(round));
    if (sweeper_stopping()) return std::unexpected(errors::stopped());
  }
  return pruned;
}

// A round of the index, from `from` on; where the next one begins.
std::optional<std::string> LocalStore::sweep_index(std::string from, std::vector<Prune>& prunes) {
  while (prunes.size() < kChangesPerRound) {
    Index::Sweep step;
    {
      const std::unique_lock lock(state_mutex_);
      step = index_.sweep(from, kKeysPerStep, kChangesPerPrune);
    }
    std::ranges::move(step.prunes, std::back_inserter(prunes));
    if (step.done) return std::nullopt;
    from = std::move(step.next_key);
  }
  return from;
}

// In ascending order, so that a deletion never goes before what it deleted.
Result<> LocalStore::prune_all(std::vector<Prune> prunes) {
  put_in_order(prunes);
  for (std::span<const Prune> rest = prunes; !rest.empty();) {
    const std::span<const Prune> next = rest.first(std::min(rest.size(), kChangesPerPrune));
    rest = rest.subspan(next.size());
    const SteadyTime began = clock_.steady_now();
    TRY(prune(next));
    if (rest_since(began)) return std::unexpected(errors::stopped());
  }
  return {};
}

Result<> LocalStore::prune(std::span<const Prune> prunes) {
  for (int attempt = 1;; ++attempt) {
    const Result<> pruned = log_->prune(prunes);
    if (pruned || attempt == kPruneAttempts) return pruned;
    std::unique_lock lock(sweep_mutex_);
    if (sweep_signal_.wait_for(lock, kPruneRetry, [this] { return sweep_stopping_; })) return pruned;
  }
}

Result<> LocalStore::reclaim_all() {
  for (;;) {
    const SteadyTime began = clock_.steady_now();
    if (!TRY(log_->reclaim())) return {};
    if (rest_since(began)) return std::unexpected(errors::stopped());
  }
}

// Leaves the disk to others for as long as it was busy since `began`; true where the sweeper is to stop.
bool LocalStore::rest_since(SteadyTime began) {
  const Duration rest = std::min<Duration>(clock_.steady_now() - began, kLongestRest);
  std::unique_lock lock(sweep_mutex_);
  return sweep_signal_.wait_for(lock, rest, [this] { return sweep_stopping_; });
}

}  // namespace cloudless::store
