// Values: reads values from the log, with a bounded cache of decoded ones in front. Thread-safe.
#pragma once

#include <list>
#include <mutex>
#include <unordered_map>

#include "store/log.hpp"
#include "store/value_codec.hpp"

namespace cloudless::store {

class Values {
 public:
  /// `cache_bytes`: keys and values kept, least recently used dropped first. The log outlives this.
  Values(Log& log, size_t cache_bytes) : log_(log), limit_bytes_(cache_bytes) {}

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
  struct Entry {
    std::string key;
    Revision revision;
    SharedBytes value;
  };
  using Entries = std::list<Entry>;

  static size_t cost(const Entry& entry);
  static size_t slot(std::string_view key, Revision revision);
  void drop(Entries::iterator entry);

  Log& log_;
  const size_t limit_bytes_;

  std::mutex mutex_;
  Entries entries_;  // most recently used first
  std::unordered_map<size_t, Entries::iterator> by_slot_;
  size_t bytes_ = 0;

  std::mutex codec_mutex_;
  ValueCodec codec_;
};

}  // namespace cloudless::store
