// WatchHub: hands each committed change to the watchers of its key.
//
// A watcher first reads its history from the log, then lives from its queue:
//
//     start ---- history (read in chunks by next()) ----> joined ---- queue (filled by publish()) ---->
//                        ^                                                |
//                        '---- the queue is full: it is dropped, and -----'
//                              what it held is read again as history
//
// So a slow watcher costs a bounded queue and never holds up the writer; how far back it can fall is bounded
// by compaction alone. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/channel.hpp"
#include "store/store.hpp"

namespace cloudless::store {

/// Events that wait for one watcher at the most.
inline constexpr size_t kWatchQueueEvents = 4096;
/// Revisions of history that one next() returns at the most.
inline constexpr size_t kHistoryChunk = 256;

/// Reads the past for watchers. What LocalStore offers the hub.
class History {
 public:
  virtual ~History() = default;
  /// The revisions in [from, now] that changed keys of the range. kCompacted where `from` is gone.
  virtual Result<std::vector<Revision>> revisions(const WatchRequest& request, Revision from) = 0;
  /// Their events, in order. kCompacted where they are gone.
  virtual runtime::Task<Result<std::vector<SharedEvent>>> read(const WatchRequest& request,
                                                               std::vector<Revision> revisions) = 0;
  virtual Revision compact_revision() = 0;
};

class WatchHub {
 public:
  explicit WatchHub(History& history) : history_(history) {}

  /// A watcher that has seen everything up to `now` where its start revision is 0.
  std::unique_ptr<Watcher> watch(WatchRequest request, Revision now);
  /// True where a watcher of this key wants what was before.
  bool wants_previous(std::string_view key) const;
  bool idle() const;
  /// Delivers the events of the revisions up to `revision`, which are all that happened since the last call.
  void publish(const std::vector<SharedEvent>& events, Revision revision);
  /// Everything up to `revision` is done, and nothing else was delivered.
  Revision published() const;
  /// Ends all watches with `error`.
  void close(const Error& error);

 private:
  class Subscription;
  class Handle;

  template <class Visit>
  void for_each_of(std::string_view key, const Visit& visit) const;
  void leave(const Subscription* subscription);

  History& history_;
  mutable std::mutex mutex_;
  // Watchers of one key, and watchers of ranges.
  std::unordered_map<std::string, std::vector<std::shared_ptr<Subscription>>> by_key_;
  std::vector<std::shared_ptr<Subscription>> ranges_;
  Revision published_ = 0;
};

}  // namespace cloudless::store
