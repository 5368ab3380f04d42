// Evaluator: what a write does. It runs transactions one after another against the index, stages their
// changes there, and collects the batch of log entries that makes them durable. Nothing it does is visible
// before LocalStore publishes the index.
//
// Used by the one thread that writes. `mutex` is held exclusively for the moments in which the index changes
// and shared for those in which it is read, since the sweeper changes it, too.
#pragma once

#include <set>
#include <shared_mutex>
#include <variant>

#include "store/index.hpp"
#include "store/lease_table.hpp"
#include "store/range.hpp"
#include "store/value_codec.hpp"
#include "store/values.hpp"

namespace cloudless::store {

/// A change that is staged, with what watchers will want to know.
struct StagedChange {
  EventType type = EventType::kPut;
  std::string key;
  Version version;
  SharedBytes value;
  /// What the key was before; `previous.mod` 0 where it did not exist.
  Version previous;
};

class Evaluator {
 public:
  using Request = std::variant<PutRequest, DeleteRangeRequest, TxnRequest>;
  using Response = std::variant<PutResponse, DeleteRangeResponse, TxnResponse>;

  Evaluator(Index& index, std::shared_mutex& mutex, const LeaseTable& leases, Values& values)
      : index_(index), mutex_(mutex), leases_(leases), values_(values) {}

  /// Runs a request at the staged head. After an error nothing of it is staged. `writes_refused`: puts fail
  /// for lack of space.
  Result<Response> run(const Request& request, bool writes_refused);
  /// Deletes keys in one revision; the answer is staged() afterwards.
  Result<Revision> delete_keys(const std::vector<std::string>& keys);

  /// The staged revisions as log entries, and their changes in order.
  std::vector<LogEntry> take_entries() { return std::move(entries_); }
  bool has_entries() const { return !entries_.empty(); }
  const std::vector<StagedChange>& changes() const { return changes_; }
  /// Leases that puts of this batch named, and which must still be there when it is appended.
  const std::set<LeaseId>& leases() const { return used_leases_; }
  /// This one, too.
  void need_lease(LeaseId id) { used_leases_.insert(id); }
  /// Starts the next batch, after publishing or rolling back this one.
  void reset();

 private:
  using Path = std::vector<bool>;

  Result<TxnResponse> run_txn(const TxnRequest& request);
  Result<PutResponse> put(const PutRequest& request);
  Result<DeleteRangeResponse> delete_range(const DeleteRangeRequest& request);
  Result<RangeResponse> range(const RangeRequest& request);
  Result<TxnOpResponse> run_op(const TxnOp& op, const Path& path, size_t& next);
  Result<TxnResponse> apply(const TxnRequest& request, const Path& path, size_t& next);

  // Which branch each transaction takes, in the order in which they will run; decided before anything
  // changes.
  Result<> choose_path(const TxnRequest& request, Path& path);
  Result<bool> holds(const Compare& compare);
  Result<bool> holds_for(const Compare& compare, std::string_view key, const Version& version);
  enum class Check { kPuts, kRanges };
  Result<> check_path(const TxnRequest& request, const Path& path, size_t& next, Check check) const;
  Result<> check_put(const PutRequest& request) const;
  Result<> check_lease(const PutRequest& request) const;

  // What a put finds at the staged head; `full` 0 where no version is stored in full.
  struct Found {
    std::optional<Version> version;
    Revision full = 0;
  };
  Found find(std::string_view key) const;
  Result<RangePlan> plan(const RangeRequest& request) const;

  Result<SharedBytes> value_of(std::string_view key, Revision revision);
  // The value if it is staged or cached.
  SharedBytes in_memory(std::string_view key, Revision revision);
  // Where changes of the running transaction go.
  Revision next_revision() const { return before_ + 1; }
  void stage(StagedChange change, const ValueCodec::Encoded& encoded, Revision base);
  void finish_entry();

  Index& index_;
  std::shared_mutex& mutex_;
  const LeaseTable& leases_;
  Values& values_;
  ValueCodec codec_;

  Revision before_ = kEmptyHead;  // the staged head when the running transaction began
  std::vector<LogEntry> entries_;
  std::vector<StagedChange> changes_;
  std::set<LeaseId> used_leases_;
  // The changes of the running transaction as they will be stored; their payloads are in payloads_.
  struct Pending {
    size_t change;
    Encoding encoding;
    size_t payload_begin;
    size_t payload_size;
    Revision base;
  };
  std::vector<Pending> pending_;
  std::string payloads_;
  std::vector<Change> record_;  // finish_entry()'s, kept for its memory
};

}  // namespace cloudless::store
