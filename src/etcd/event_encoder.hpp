// EventEncoder: an event's bytes as a watch response carries them, made once however many watchers get it.
// For one thread. For .cpp files alone.
#pragma once

#include <deque>
#include <unordered_map>

#include "base/bytes.hpp"
#include "etcd/convert.hpp"

namespace cloudless::etcd {

class EventEncoder {
 public:
  /// The field `events` of a WatchResponse with this one event.
  SharedBytes encode(const store::SharedEvent& event, PrevKv prev_kv);

 private:
  // An event is asked for by all its watchers at about the same time, so few need to be kept.
  static constexpr size_t kKeptEvents = 256;
  static constexpr size_t kKeptBytes = 2 << 20;

  struct Entry {
    store::SharedEvent event;  // keeps the address from being used again
    SharedBytes without_previous;
    SharedBytes with_previous;
  };
  void drop_oldest();

  std::unordered_map<const store::Event*, Entry> entries_;
  std::deque<const store::Event*> oldest_first_;
  size_t bytes_ = 0;
};

}  // namespace cloudless::etcd
