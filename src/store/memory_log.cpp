#include "store/memory_log.hpp"

#include "store/record.hpp"

namespace cloudless::store {

Result<> MemoryLog::replay(Revision after, const Replay& replay) {
  const std::lock_guard lock(mutex_);
  for (auto it = entries_.upper_bound(after); it != entries_.end(); ++it) TRY(replay(it->first, it->second));
  return {};
}

Result<Revision> MemoryLog::head() {
  const std::lock_guard lock(mutex_);
  return head_;
}

Result<Meta> MemoryLog::meta() {
  const std::lock_guard lock(mutex_);
  return meta_;
}

Result<> MemoryLog::append(const LogBatch& batch) {
  const std::lock_guard lock(mutex_);
  TRY(check_append(batch, head_, meta_));
  for (const LogEntry& entry : batch.entries) {
    entries_.emplace_hint(entries_.end(), entry.revision, entry.record);
    size_bytes_ += static_cast<int64_t>(entry.record.size());
    head_ = entry.revision;
  }
  apply(batch.meta);
  return {};
}

void MemoryLog::apply(std::span<const MetaChange> changes) {
  for (const MetaChange& change : changes) {
    if (change.value) {
      meta_[change.key] = *change.value;
    } else {
      meta_.erase(change.key);
    }
  }
}

Result<std::string> MemoryLog::read(Revision revision) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(revision);
  if (found == entries_.end()) return fail(Code::kNotFound, "revision {} is not in the log", revision);
  return found->second;
}

Result<> MemoryLog::prune(std::span<const Prune> prunes) {
  const std::lock_guard lock(mutex_);
  for (const Prune& prune : prunes) {
    const auto found = entries_.find(prune.revision);
    if (found == entries_.end()) continue;
    std::string kept;
    if (!prune.keys.empty()) kept = TRY(prune_record(prune.revision, found->second, prune.keys));
    size_bytes_ += static_cast<int64_t>(kept.size()) - static_cast<int64_t>(found->second.size());
    if (kept.empty()) {
      entries_.erase(found);
    } else {
      found->second = std::move(kept);
    }
  }
  return {};
}

Result<> MemoryLog::restore(Revision head, std::span<const LogEntry> entries,
                            std::span<const MetaChange> meta) {
  const std::lock_guard lock(mutex_);
  if (head_ != kEmptyHead) return fail(Code::kConflict, "the store is not empty: its revision is {}", head_);
  for (const LogEntry& entry : entries) {
    entries_.emplace_hint(entries_.end(), entry.revision, entry.record);
    size_bytes_ += static_cast<int64_t>(entry.record.size());
  }
  apply(meta);
  head_ = head;
  return {};
}

LogStatus MemoryLog::status() {
  const std::lock_guard lock(mutex_);
  return {.size_bytes = size_bytes_, .in_use_bytes = size_bytes_};
}

}  // namespace cloudless::store
