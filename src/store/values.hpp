// Values: reads values from the log, with a bounded cache of decoded ones in front. Thread-safe.
//
// The cache begins small and grows, up to its bound, by what it had dropped and is asked for again: a store
// that is filled, or read once from end to end, needs no memory for values that nobody comes back to.
#pragma once

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "store/log.hpp"
#include "store/value_codec.hpp"

namespace cloudless::store {

class Values {
 public:
  /// `cache_bytes`: keys and values kept at the most, least recently used dropped first. The log outlives
  /// this.
  Values(Log& log, size_t cache_bytes)
      : log_(log), most_bytes_(cache_bytes), limit_bytes_(std::min(cache_bytes, kFirstLimit)) {
    ring_.next = ring_.previous = &ring_;
  }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;

  /// The value if it is in memory.
  SharedBytes cached(std::string_view key, Revision revision);
  /// The value that `key` got at `revision`. Blocks on the log where it is not cached. kNotFound where it was
  /// compacted, kDataLoss where it is damaged.
  Result<SharedBytes> read(std::string_view key, Revision revision);
  /// The same where the change is already at hand.
  Result<SharedBytes> decode(const Change& change, Revision revision);
  void remember(std::string_view key, Revision revision, SharedBytes value);
  void clear();

 private:
  // Entries are a ring in the order of their use, through `ring_`: the most recently used is behind it.
  struct Entry {
    std::string key;
    Revision revision = 0;
    SharedBytes value;
    Entry* next = nullptr;
    Entry* previous = nullptr;
  };

  using Slots = std::unordered_map<size_t, Entry>;

  static constexpr size_t kFirstLimit = 1 << 20;
  // As many as dropped entries are remembered.
  static constexpr size_t kDroppedSlots = 4096;

  static size_t cost(const Entry& entry);
  static size_t slot(std::string_view key, Revision revision);
  void link(Entry& entry);
  static void unlink(Entry& entry);
  Slots::node_type drop_oldest();
  // The entry of a slot, out of the ring: that one's which is there, or a new one for which `bytes` are free.
  Entry& entry_at(size_t slot, size_t bytes);
  void note_dropped(size_t slot);
  // What was asked for is not here: room for it where it was dropped for want of room.
  void grow_if_dropped(size_t slot, size_t bytes);

  Log& log_;
  const size_t most_bytes_;

  std::mutex mutex_;
  size_t limit_bytes_;
  Slots by_slot_;
  Entry ring_;
  size_t bytes_ = 0;
  std::vector<uint32_t> dropped_;  // the upper half of a dropped slot, at its lower half's place

  std::mutex codec_mutex_;
  ValueCodec codec_;
};

}  // namespace cloudless::store
