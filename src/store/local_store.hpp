// LocalStore: a Store on a Log.
//
//     tasks --jobs--> [queue] --> writer thread: evaluate a batch against the index (evaluator.hpp)
//                                                append it to the log: one sync for all of them
//                                                publish the index, answer, hand events to the watchers
//     tasks --range--> index (shared lock) --> values: cache, or the log by way of the reader pool
//     sweeper thread: after a compaction, drops what was superseded, a few hundred keys at a time
//
// The writer is the only thread that changes the index. What it stages is invisible until the log has it, so
// a failed append is undone by forgetting it. On a shared log an append that loses the race is undone, the
// others' entries are taken in (and handed to watchers), and the batch is evaluated again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "runtime/completion.hpp"
#include "runtime/worker_pool.hpp"
#include "store/check_request.hpp"
#include "store/evaluator.hpp"
#include "store/open.hpp"
#include "store/watch_hub.hpp"

namespace cloudless::store {

/// The facts that a LocalStore keeps beside leases (lease_table.hpp). Numbers are eight bytes, little end
/// first.
inline constexpr std::string_view kCompactFact = "compact";
inline constexpr std::string_view kNoSpaceFact = "alarm/nospace";
inline constexpr std::string_view kClusterFact = "cluster_id";

class LocalStore final : public Store, private History {
 public:
  /// Reads the index from `log`. Blocks.
  static Result<std::unique_ptr<LocalStore>> open(std::unique_ptr<Log> log, Options options,
                                                  const Clock& clock, Random& random, Logger logger);
  ~LocalStore() override;

  runtime::Task<Result<RangeResponse>> range(RangeRequest request) override;
  runtime::Task<Result<PutResponse>> put(PutRequest request) override;
  runtime::Task<Result<DeleteRangeResponse>> delete_range(DeleteRangeRequest request) override;
  runtime::Task<Result<TxnResponse>> txn(TxnRequest request) override;
  runtime::Task<Result<Revision>> compact(Revision revision, bool physical) override;
  runtime::Task<Result<std::unique_ptr<Watcher>>> watch(WatchRequest request) override;
  runtime::Task<Result<Lease>> grant_lease(LeaseId id, std::chrono::seconds ttl) override;
  runtime::Task<Result<Revision>> revoke_lease(LeaseId id) override;
  runtime::Task<Result<std::chrono::seconds>> keep_lease_alive(LeaseId id) override;
  runtime::Task<Result<Lease>> lease_time_to_live(LeaseId id, bool with_keys) override;
  runtime::Task<Result<std::vector<LeaseId>>> leases() override;
  runtime::Task<Result<Status>> status() override;
  runtime::Task<Result<Revision>> revision() override;
  runtime::Task<Result<HashKv>> hash_kv(Revision revision) override;
  runtime::Task<Result<>> defragment() override;
  runtime::Task<Result<bool>> disarm(AlarmType alarm) override;
  runtime::Task<Result<>> restore(Revision revision, std::vector<KeyValue> kvs,
                                  std::vector<Lease> leases) override;

  /// Makes the writer look at the clock again: for tests, whose clock moves by hand.
  void wake();

 private:
  struct Write {
    Evaluator::Request request;
    size_t bytes = 0;
    runtime::Completion<Result<Evaluator::Response>> done;
  };
  using Control = std::move_only_function<void()>;
  // What the sweeper is to do; a shared log is pruned by the process that compacted it.
  enum class Sweep { kNone, kIndex, kIndexAndLog };
  using Job = std::variant<Write, Control>;

  LocalStore(std::unique_ptr<Log> log, Options options, const Clock& clock, Random& random, Logger logger);

  // Start-up (local_store.cpp).
  Result<> load();
  Result<> load_facts(const Meta& meta);
  Result<> take_in(Revision after);
  Result<> take_in_record(Revision revision, std::string_view record, std::vector<StagedChange>* changes);

  // From tasks to the writer.
  enum class Writer { kToBeWoken, kKnows };
  Result<Writer> enqueue(Job job, size_t bytes);
  runtime::Task<Result<Evaluator::Response>> write(Evaluator::Request request, size_t bytes);
  template <class T>
  runtime::Task<Result<T>> on_writer(std::move_only_function<Result<T>()> function);
  runtime::Task<Result<>> refresh();

  // The writer (writer.cpp).
  struct Work {
    std::deque<Job> jobs;
    std::vector<runtime::Completion<Result<>>> refreshers;
    bool moved = false;
    bool stopping = false;
  };
  void run_writer();
  Work wait_for_work();
  std::optional<SteadyTime> next_duty() const;
  void do_duties();
  void run_jobs(std::deque<Job>& jobs);
  void commit(std::vector<Write>& writes);
  Result<std::vector<Result<Evaluator::Response>>> commit_once(const std::vector<Write>& writes);
  template <class Attempt>
  auto against_present(const Attempt& attempt) -> std::invoke_result_t<Attempt>;
  // Appends what the evaluator has staged, and facts; undoes the staging where that fails. kAtHead: conflicts
  // where the log has moved, even if nothing is staged.
  enum class Head { kAny, kAtHead };
  Result<> append(std::vector<MetaChange> facts, Durability durability, Head head = Head::kAny);
  std::vector<std::string> needed_facts() const;
  Durability durability_of_staged() const;
  void publish();
  Result<> catch_up();
  Result<> reload_all();
  Result<> reload_facts();
  Result<bool> behind();
  void expire_leases();
  void sync_relaxed();
  void check_quota();
  Result<Lease> grant_now(LeaseId id, std::chrono::seconds ttl);
  Result<Revision> revoke_now(LeaseId id);
  Result<Revision> compact_now(Revision revision);
  Result<> restore_now(Revision revision, const std::vector<KeyValue>& kvs, const std::vector<Lease>& leases);

  // The sweeper (sweeper.cpp).
  void run_sweeper();
  Result<> sweep_all(Sweep sweep);
  std::optional<std::string> sweep_index(std::string from, std::vector<Prune>& prunes);
  Result<> prune_all(std::vector<Prune> prunes);
  Result<> prune(std::span<const Prune> prunes);
  bool rest_since(SteadyTime began);
  Result<> reclaim_all();
  bool sweeper_stopping();

  // History (history.cpp).
  Result<std::vector<Revision>> revisions(const WatchRequest& request, Revision from) override;
  runtime::Task<Result<std::vector<SharedEvent>>> read(const WatchRequest& request,
                                                       std::vector<Revision> revisions) override;
  Revision compact_revision() override;
  Result<std::vector<SharedEvent>> read_events(const WatchRequest& request,
                                               const std::vector<Revision>& revisions);
  // Null where the value is gone.
  SharedEvent make_event(const StagedChange& change, bool with_previous);

  Result<> fill(RangePlan& plan);
  bool fill_from_cache(RangePlan& plan);

  const std::unique_ptr<Log> log_;
  const Options options_;
  const RequestLimits limits_;
  const Clock& clock_;
  Random& random_;
  const Logger logger_;
  Values values_;

  // Guards what follows up to the writer's own: the writer alone changes it, with the lock held exclusively,
  // so the writer reads it without; all others share the lock.
  mutable std::shared_mutex state_mutex_;
  Index index_;
  LeaseTable leases_;
  bool no_space_ = false;
  uint64_t cluster_id_ = 0;
  uint64_t member_id_ = 0;

  // The writer's own.
  Evaluator evaluator_;
  std::optional<SteadyTime> relaxed_since_;
  SteadyTime quota_checked_{};
  SteadyTime duties_not_before_{};

  WatchHub hub_;
  runtime::WorkerPool readers_;

  std::mutex queue_mutex_;
  // Shared with jobs that are to notify it, which may outlive the store.
  const std::shared_ptr<std::condition_variable> queue_signal_ = std::make_shared<std::condition_variable>();
  std::deque<Job> queue_;
  std::vector<runtime::Completion<Result<>>> refreshers_;
  size_t queue_bytes_ = 0;
  bool moved_ = false;
  bool woken_ = false;
  bool stopping_ = false;

  std::mutex sweep_mutex_;
  std::condition_variable sweep_signal_;
  Sweep sweep_ = Sweep::kNone;
  bool reclaim_requested_ = false;
  bool sweep_stopping_ = false;
  std::vector<runtime::Completion<Result<>>> sweep_waiters_;

  std::thread writer_;
  std::thread sweeper_;
};

template <class T>
runtime::Task<Result<T>> LocalStore::on_writer(std::move_only_function<Result<T>()> function) {
  const runtime::Completion<Result<T>> done;
  const Writer writer = CO_TRY(
      enqueue(Control([done, function = std::move(function)]() mutable { done.complete(function()); }), 0));
  if (writer == Writer::kToBeWoken) queue_signal_->notify_one();
  co_return CO_TRY(co_await done.wait());
}

}  // namespace cloudless::store
