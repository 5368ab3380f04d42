// Store: keys with versions under one order of revisions, etcd's semantics in full. The API server and the
// etcd face speak to this interface; behind it is a Log (memory, SQLite, PostgreSQL) or a remote etcd
// cluster.
//
// Invariants:
// - Every transaction that changes something makes exactly one revision; revisions have no gaps.
// - Strict serializability: what is acknowledged is seen by every later read that is not `serializable`,
//   through whichever process on the same backend it comes.
// - A strict write is acknowledged after it is durable. A relaxed one (by key prefix, store/log.hpp) may be
//   lost by a crash, but only together with everything after it.
// - Watches deliver each event once, in order, and never block writers.
//
// Thread-safe: any task on any executor may call. Errors have etcd's own texts (store/errors.hpp), so clients
// that match on them work; what the backend says is behind Code::kUnavailable or kResourceExhausted.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "runtime/task.hpp"
#include "store/types.hpp"

namespace cloudless::store {

/// A stream of changes. Used by one task at a time; destroying it ends the watch.
class Watcher {
 public:
  virtual ~Watcher() = default;

  /// The next changes, at least one, or a progress report if one was requested. Waits for as long as it
  /// takes. A slow reader is not buffered without end: beyond a bound its events are read again from the log,
  /// and if they have been compacted meanwhile next() fails with kCompacted (see compact_revision()).
  /// kCancelled where the task or the watch is. After an error every call fails.
  virtual runtime::Task<Result<WatchBatch>> next() = 0;

  /// Makes next() report how far this watch has come, after what is queued. Any thread.
  virtual void request_progress() = 0;
  /// Makes next() fail with kCancelled. Any thread.
  virtual void cancel() = 0;
  /// After kCompacted: the oldest revision that can be watched from.
  virtual Revision compact_revision() const = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual runtime::Task<Result<RangeResponse>> range(RangeRequest request) = 0;
  virtual runtime::Task<Result<PutResponse>> put(PutRequest request) = 0;
  virtual runtime::Task<Result<DeleteRangeResponse>> delete_range(DeleteRangeRequest request) = 0;
  virtual runtime::Task<Result<TxnResponse>> txn(TxnRequest request) = 0;

  /// Forgets what was superseded at or before `revision`. Returns once reads below it fail; space is given
  /// back in the background, or before returning with `physical`.
  virtual runtime::Task<Result<Revision>> compact(Revision revision, bool physical) = 0;

  virtual runtime::Task<Result<std::unique_ptr<Watcher>>> watch(WatchRequest request) = 0;

  /// `id` 0 lets the store choose. kAlreadyExists where it is taken.
  virtual runtime::Task<Result<Lease>> grant_lease(LeaseId id, std::chrono::seconds ttl) = 0;
  /// Deletes the attached keys in one revision, which is returned.
  virtual runtime::Task<Result<Revision>> revoke_lease(LeaseId id) = 0;
  /// The new time to live. kNotFound where the lease has expired.
  virtual runtime::Task<Result<std::chrono::seconds>> keep_lease_alive(LeaseId id) = 0;
  /// ttl -1 and granted_ttl 0 where there is no such lease.
  virtual runtime::Task<Result<Lease>> lease_time_to_live(LeaseId id, bool with_keys) = 0;
  virtual runtime::Task<Result<std::vector<LeaseId>>> leases() = 0;

  virtual runtime::Task<Result<Status>> status() = 0;
  /// status().revision alone, which costs next to nothing.
  virtual runtime::Task<Result<Revision>> revision() = 0;
  /// A checksum over keys, values and versions up to `revision` (0: now); the same in every process on one
  /// backend.
  virtual runtime::Task<Result<HashKv>> hash_kv(Revision revision) = 0;
  /// Gives free space back to the file system.
  virtual runtime::Task<Result<>> defragment() = 0;
  /// Lifts an alarm; true if it was raised.
  virtual runtime::Task<Result<bool>> disarm(AlarmType alarm) = 0;

  /// Fills an empty store with pairs as they are, mod revisions and versions included; `revision` becomes the
  /// store's revision and its compact revision. kUnimplemented where the backend makes its own revisions.
  virtual runtime::Task<Result<>> restore(Revision revision, std::vector<KeyValue> kvs,
                                          std::vector<Lease> leases) = 0;
};

}  // namespace cloudless::store
