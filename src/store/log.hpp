// Log: the ordered, gapless sequence of revisions that a Store is made of, and a few named facts beside it.
//
// Each entry is one revision's record (store/record.hpp), opaque here but for prune(). An append names the
// head it extends and fails with kConflict if the log has moved, so several processes can share one log by
// optimistic append. Facts ("meta": leases, the compact revision, alarms) are small, change in the same
// atomic batches and have no revision.
//
// One order, two classes of durability: append() returns after a strict batch is durable; a relaxed batch
// becomes durable with the next strict one or with sync(). A crash loses at most a tail of relaxed batches,
// never anything before something that survives.
//
// Failure: an append that fails has had no effect that this object shows. After a crash, a failed append may
// turn out to have happened (as with any database whose answer was lost), but only as a whole prefix of its
// batch and in its place in the order. The log heals by itself: each call tries again.
//
// Thread-safe. Calls block on the disk or the network, so event loops stay away. One thread appends.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "store/types.hpp"

namespace cloudless::store {

/// The head of an empty log; etcd's first revision.
inline constexpr Revision kEmptyHead = 1;

enum class Durability { kStrict, kRelaxed };

struct LogEntry {
  Revision revision = 0;
  std::string record;
};

/// Sets a fact, or forgets it.
struct MetaChange {
  std::string key;
  std::optional<std::string> value;
};
using Meta = std::map<std::string, std::string, std::less<>>;

struct LogBatch {
  /// The head that this batch extends. A batch without entries looks at it only where `only_at_head` says so.
  Revision head = kEmptyHead;
  /// Revisions head + 1, head + 2, ...
  std::vector<LogEntry> entries;
  std::vector<MetaChange> meta;
  Durability durability = Durability::kStrict;
  bool only_at_head = false;
  /// Facts that must be there: where one has gone, the batch conflicts. So whoever attaches a key to a lease
  /// and whoever revokes it never both succeed without knowing of each other.
  std::vector<std::string> needs;
};

/// What of an entry is no longer needed: these keys' changes, or all of it where `keys` is empty.
struct Prune {
  Revision revision = 0;
  std::vector<std::string> keys;
};

/// kConflict unless `batch` may be appended to a log that is at `head` and holds these facts.
Result<> check_append(const LogBatch& batch, Revision head, const Meta& meta);

struct LogStatus {
  int64_t size_bytes = 0;
  int64_t in_use_bytes = 0;
  Health health = Health::kServing;
  std::string reason;
};

class Log {
 public:
  using Replay = std::function<Result<>(Revision, std::string_view record)>;

  virtual ~Log() = default;

  /// Calls `replay` for every entry after `after`, in order. Pruned entries are missing. An error from
  /// `replay` ends it.
  virtual Result<> replay(Revision after, const Replay& replay) = 0;
  /// The last revision, as the backend has it now.
  virtual Result<Revision> head() = 0;
  virtual Result<Meta> meta() = 0;
  virtual Result<> append(const LogBatch& batch) = 0;
  /// Makes all that was appended durable.
  virtual Result<> sync() = 0;
  /// The record of a revision; kNotFound where it was pruned or has not happened.
  virtual Result<std::string> read(Revision revision) = 0;

  /// Removes what is no longer needed, atomically. A few hundred at a time keeps pauses short.
  virtual Result<> prune(std::span<const Prune> prunes) = 0;
  /// Gives a little free space back to the file system; true while there is more.
  virtual Result<bool> reclaim() = 0;

  /// Fills an empty log with entries in ascending order, which may have gaps, and facts; `head` becomes the
  /// head. kConflict where the log is not empty.
  virtual Result<> restore(Revision head, std::span<const LogEntry> entries,
                           std::span<const MetaChange> meta) = 0;

  virtual LogStatus status() = 0;

  /// True where other processes append too: head() may then be beyond what this process has seen.
  virtual bool shared() const { return false; }
  /// `moved` is called, on any thread, when another process may have appended or changed a fact. Once, before
  /// the first append.
  virtual void on_moved(std::function<void()> moved) { (void)moved; }
};

}  // namespace cloudless::store
