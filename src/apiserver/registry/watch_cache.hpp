// WatchCache: the present objects of one resource, the last changes, and those who watch it. One feed writes
// (CacheFeed); any number of lists and watches read, on any thread.
//
// Invariants:
// - A subscription delivers every change behind its starting revision once, in order, or it ends.
// - A subscriber whose queue is full is ended at once, and its queue let go: it watches again from where it
//   was, or lists.
// - revision() never goes back.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apiserver/registry/cached_object.hpp"
#include "runtime/channel.hpp"

namespace cloudless::apiserver {

/// Events that wait for one watcher, and their bytes. A single event may be larger.
inline constexpr size_t kWatcherQueueEvents = 1024;
inline constexpr size_t kWatcherQueueBytes = size_t{64} << 20;
/// Past changes kept per resource, for watches that start behind the present, and their bytes.
inline constexpr size_t kHistoryEvents = 512;
inline constexpr size_t kHistoryBytes = size_t{64} << 20;

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted };

  WatchEvent(Type event_type, CachedObjectPtr event_object)
      : type(event_type), object(std::move(event_object)) {}

  /// The line of a JSON watch: `{"type":"ADDED","object":{...}}\n`, encoded at the first use and shared.
  SharedBytes json_line() const;
  /// The frame of a protobuf watch, made by `encode` at the first use and shared.
  template <class Encode>
  SharedBytes protobuf_frame(Encode encode) const {
    SharedBytes frame = protobuf_frame_.load();
    if (!frame) protobuf_frame_.store(frame = encode());
    return frame;
  }

  const Type type;
  const CachedObjectPtr object;

 private:
  mutable std::atomic<SharedBytes> json_line_;
  mutable std::atomic<SharedBytes> protobuf_frame_;
};
using WatchEventPtr = std::shared_ptr<const WatchEvent>;
std::string_view to_string(WatchEvent::Type type);  // "ADDED"

/// One change out of the store.
struct Change {
  std::string key;
  uint64_t revision = 0;
  CachedObjectPtr object;  // null: the key is gone
};

using Predicate = std::function<bool(const CachedObject&)>;

class Subscription {
 public:
  Subscription(std::string key, bool exact, Predicate predicate)
      : key_(std::move(key)), exact_(exact), predicate_(std::move(predicate)), queue_(kWatcherQueueEvents) {}

  /// The next event; nothing when the subscription has ended (too slow, or the cache was reloaded).
  runtime::Task<Result<std::optional<WatchEventPtr>>> next();
  std::optional<WatchEventPtr> try_next();
  bool ended() const { return queue_.closed(); }
  /// It has ended because it was not read as fast as things happened.
  bool too_slow() const { return too_slow_; }
  size_t queued_events() const { return queue_.size(); }
  size_t queued_bytes() const { return queued_bytes_; }

 private:
  friend class WatchCache;
  bool covers(std::string_view key) const { return exact_ ? key == key_ : key.starts_with(key_); }
  // False where it does not take the event, and has ended.
  bool push(WatchEventPtr event);
  void taken(const WatchEvent& event) { queued_bytes_ -= event.object->json->size(); }

  const std::string key_;  // a key, or a prefix
  const bool exact_;
  const Predicate predicate_;  // empty: everything
  runtime::Channel<WatchEventPtr> queue_;
  std::atomic<size_t> queued_bytes_{0};
  std::atomic<bool> too_slow_{false};
};

class WatchCache {
 public:
  explicit WatchCache(FieldIndex fields) : fields_(std::move(fields)) {}

  const FieldIndex& fields() const { return fields_; }

  // For the feed.

  /// Sets the whole state as of `revision`, ends all subscriptions and forgets the history. Changes applied
  /// before the first load are kept and applied after it.
  void load(uint64_t revision, std::vector<CachedObjectPtr> objects);
  /// Changes in the order of their revisions.
  void apply(std::span<const Change> changes);
  /// Ends all subscriptions: the resource is no longer served.
  void close();

  // For requests.

  bool loaded() const;
  /// The revision of the last change or of the load.
  uint64_t revision() const;
  CachedObjectPtr get(std::string_view key) const;
  struct Snapshot {
    uint64_t revision = 0;
    std::vector<CachedObjectPtr> objects;  // by key
  };
  /// Objects whose keys start with `prefix`. `feed_revision` is what the feed is known to have reached.
  Snapshot list(std::string_view prefix, uint64_t feed_revision) const;

  struct Start {
    std::string key;
    bool exact = false;
    Predicate predicate;
    /// Deliver what comes behind this revision; nothing: what comes behind the present.
    std::optional<uint64_t> since;
    uint64_t feed_revision = 0;
  };
  struct Subscribed {
    std::shared_ptr<Subscription> subscription;  // ends when the last reference goes
    /// Without `since`, the present: matching objects by key.
    Snapshot initial;
  };
  /// 410 Expired where the history does not reach back to `since`.
  ApiResult<Subscribed> subscribe(Start start);

 private:
  struct Past {
    uint64_t revision = 0;
    CachedObjectPtr object;    // for a removal, the last state under the removal's revision
    CachedObjectPtr previous;  // null: it was added
    bool removed = false;
  };
  class EventMaker;

  Snapshot list_locked(std::string_view prefix, uint64_t feed_revision) const;
  void apply_locked(const Change& change);
  void remember_locked(Past past);
  void publish_locked(const Past& past);
  void close_locked();

  const FieldIndex fields_;
  mutable std::mutex mutex_;
  bool loaded_ = false;
  uint64_t revision_ = 0;
  uint64_t loaded_at_ = 0;
  uint64_t oldest_ = 0;  // the history is complete behind this revision
  std::map<std::string, CachedObjectPtr, std::less<>> objects_;
  std::deque<Past> history_;
  size_t history_bytes_ = 0;
  std::vector<Change> early_;  // came before the first load
  std::vector<std::weak_ptr<Subscription>> subscriptions_;
};

}  // namespace cloudless::apiserver
