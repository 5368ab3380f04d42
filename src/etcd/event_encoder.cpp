#include "etcd/event_encoder.hpp"

namespace cloudless::etcd {

SharedBytes EventEncoder::encode(const store::SharedEvent& event, PrevKv prev_kv) {
  const auto [found, added] = entries_.try_emplace(event.get());
  Entry& entry = found->second;
  if (added) {
    entry.event = event;
    oldest_first_.push_back(event.get());
  }
  // Without something to include, both forms are the same.
  const bool with_previous = prev_kv == PrevKv::kInclude && event->prev_kv;
  SharedBytes& encoded = with_previous ? entry.with_previous : entry.without_previous;
  if (encoded) return encoded;
  pb::WatchResponse response;
  fill(*response.add_events(), *event, prev_kv);
  const SharedBytes bytes = encoded = share(response.SerializeAsString());
  bytes_ += bytes->size();
  while (!oldest_first_.empty() && (oldest_first_.size() > kKeptEvents || bytes_ > kKeptBytes)) drop_oldest();
  return bytes;
}

void EventEncoder::drop_oldest() {
  const auto found = entries_.find(oldest_first_.front());
  oldest_first_.pop_front();
  for (const SharedBytes& bytes : {found->second.without_previous, found->second.with_previous}) {
    bytes_ -= view(bytes).size();
  }
  entries_.erase(found);
}

}  // namespace cloudless::etcd
