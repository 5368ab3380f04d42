#include "store/values.hpp"

#include <functional>

namespace cloudless::store {

// What an entry takes beside its texts: map node, shared_ptr and string headers.
static constexpr size_t kEntryOverhead = 200;

size_t Values::cost(const Entry& entry) {
  return kEntryOverhead + entry.key.size() + view(entry.value).size();
}

// Entries that share a slot by chance displace each other; the key is compared on every hit.
size_t Values::slot(std::string_view key, Revision revision) {
  return std::hash<std::string_view>()(key) ^ (static_cast<size_t>(revision) * 0x9E3779B97F4A7C15u);
}

void Values::link(Entry& entry) {
  entry.next = ring_.next;
  entry.previous = &ring_;
  entry.next->previous = entry.previous->next = &entry;
}

void Values::unlink(Entry& entry) {
  entry.next->previous = entry.previous;
  entry.previous->next = entry.next;
}

SharedBytes Values::cached(std::string_view key, Revision revision) {
  const std::lock_guard lock(mutex_);
  const auto found = by_slot_.find(slot(key, revision));
  if (found == by_slot_.end()) return nullptr;
  Entry& entry = found->second;
  if (entry.revision != revision || entry.key != key) return nullptr;
  unlink(entry);
  link(entry);
  return entry.value;
}

Values::Slots::node_type Values::drop_oldest() {
  Entry& entry = *ring_.previous;
  bytes_ -= cost(entry);
  unlink(entry);
  const size_t slot = Values::slot(entry.key, entry.revision);
  note_dropped(slot);
  return by_slot_.extract(slot);
}

void Values::note_dropped(size_t slot) {
  if (limit_bytes_ == most_bytes_) return;
  dropped_.resize(kDroppedSlots);
  dropped_[slot % kDroppedSlots] = static_cast<uint32_t>(slot >> 32);
}

void Values::grow_if_dropped(size_t slot, size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (dropped_.empty() || dropped_[slot % kDroppedSlots] != static_cast<uint32_t>(slot >> 32)) return;
  limit_bytes_ = std::min(most_bytes_, limit_bytes_ + bytes);
  if (limit_bytes_ == most_bytes_) dropped_ = {};
}

// A full cache goes round and round, so what is dropped lends its memory to what comes.
Values::Entry& Values::entry_at(size_t slot, size_t bytes) {
  if (const auto found = by_slot_.find(slot); found != by_slot_.end()) {
    bytes_ -= cost(found->second);
    unlink(found->second);
    return found->second;
  }
  Slots::node_type spare;
  while (bytes_ + bytes > limit_bytes_ && !by_slot_.empty()) spare = drop_oldest();
  if (spare.empty()) return by_slot_[slot];
  spare.key() = slot;
  return by_slot_.insert(std::move(spare)).position->second;
}

void Values::remember(std::string_view key, Revision revision, SharedBytes value) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entry_at(slot(key, revision), kEntryOverhead + key.size() + view(value).size());
  entry.key = key;
  entry.revision = revision;
  entry.value = std::move(value);
  link(entry);
  bytes_ += cost(entry);
  while (bytes_ > limit_bytes_ && !by_slot_.empty()) drop_oldest();
}

void Values::clear() {
  const std::lock_guard lock(mutex_);
  by_slot_.clear();
  ring_.next = ring_.previous = &ring_;
  bytes_ = 0;
}

Result<SharedBytes> Values::read(std::string_view key, Revision revision) {
  if (SharedBytes value = cached(key, revision)) return value;
  const std::string record = TRY(log_.read(revision));
  Change change;
  bool found = false;
  TRY(decode_record(revision, record, [&](const Change& candidate) {
    if (candidate.type != EventType::kPut || candidate.key != key) return true;
    change = candidate;
    found = true;
    return false;
  }));
  if (!found) return fail(Code::kNotFound, "revision {} no longer holds this key", revision);
  return decode(change, revision);
}

Result<SharedBytes> Values::decode(const Change& change, Revision revision) {
  if (SharedBytes value = cached(change.key, revision)) return value;
  SharedBytes base;
  if (change.encoding == Encoding::kDelta) {
    if (change.base >= revision) return fail(Code::kDataLoss, "revision {} extends a later one", revision);
    base = TRY(read(change.key, change.base));
  }
  Result<std::string> decoded = [&] {
    const std::lock_guard lock(codec_mutex_);
    return codec_.decode(change.encoding, change.payload, change.size, view(base));
  }();
  if (!decoded) return wrap(decoded.error(), "revision {}", revision);
  SharedBytes value = share(std::move(*decoded));
  grow_if_dropped(slot(change.key, revision), kEntryOverhead + change.key.size() + value->size());
  remember(change.key, revision, value);
  return value;
}

}  // namespace cloudless::store
