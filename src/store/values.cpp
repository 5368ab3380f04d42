#include "store/values.hpp"

#include <functional>

namespace cloudless::store {

// What an entry takes beside its texts: list and map nodes, shared_ptr and string headers.
static constexpr size_t kEntryOverhead = 200;

size_t Values::cost(const Entry& entry) {
  return kEntryOverhead + entry.key.size() + view(entry.value).size();
}

// Entries that share a slot by chance displace each other; the key is compared on every hit.
size_t Values::slot(std::string_view key, Revision revision) {
  return std::hash<std::string_view>()(key) ^ (static_cast<size_t>(revision) * 0x9E3779B97F4A7C15u);
}

SharedBytes Values::cached(std::string_view key, Revision revision) {
  const std::lock_guard lock(mutex_);
  const auto found = by_slot_.find(slot(key, revision));
  if (found == by_slot_.end()) return nullptr;
  const auto entry = found->second;
  if (entry->revision != revision || entry->key != key) return nullptr;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->value;
}

void Values::drop(Entries::iterator entry) {
  bytes_ -= cost(*entry);
  by_slot_.erase(slot(entry->key, entry->revision));
  entries_.erase(entry);
}

void Values::remember(std::string_view key, Revision revision, SharedBytes value) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_slot_.find(slot(key, revision)); found != by_slot_.end()) drop(found->second);
  entries_.push_front({std::string(key), revision, std::move(value)});
  by_slot_.emplace(slot(key, revision), entries_.begin());
  bytes_ += cost(entries_.front());
  while (bytes_ > limit_bytes_ && !entries_.empty()) drop(std::prev(entries_.end()));
}

void Values::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  by_slot_.clear();
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
  remember(change.key, revision, value);
  return value;
}

}  // namespace cloudless::store
