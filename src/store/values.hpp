// Values: reads values from the log, with a bounded cache of decoded ones in front. Thread-safe.
#pragma once

#include <mutex>
#include <unordered_map>

#include "store/log.hpp"
#include "store/value_codec.hpp"

namespace cloudless::store {

class Values {
 public:
  /// `cache_bytes`: keys and values kept, least recently used dropped first. The log outlives this.
  Values(Log& log, size_t cache_bytes) : log_(log), limit_bytes_(cache_bytes) {
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

  static size_t cost(const Entry& entry);
  static size_t slot(std::string_view key, Revision revision);
  void link(Entry& entry);
  static void unlink(Entry& entry);
  void drop(Entry& entry);

  Log& log_;
  const size_t limit_bytes_;

  std::mutex mutex_;
  std::unordered_map<size_t, Entry> by_slot_;
  Entry ring_;
  size_t bytes_ = 0;

  std::mutex codec_mutex_;
  ValueCodec codec_;
};

}  // namespace cloudless::store
