#include "store/lease_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "store/varint.hpp"

namespace cloudless::store {
namespace {

constexpr std::string_view kFactPrefix = "lease/";
constexpr size_t kFactSize = 16;

std::optional<LeaseId> id_of(std::string_view key) {
  uint64_t id = 0;
  const char* const end = key.data() + key.size();
  const auto [stopped, error] = std::from_chars(key.data() + kFactPrefix.size(), end, id, 16);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return static_cast<LeaseId>(id);
}

int64_t to_ms(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// A lease may be granted for longer than nanoseconds can count; nobody waits that long.
Duration bounded(std::chrono::seconds ttl) {
  return std::min(ttl, std::chrono::seconds(std::chrono::hours(24 * 365 * 100)));
}

}  // namespace

std::string LeaseTable::fact_key(LeaseId id) {
  return fmt::format("{}{:016x}", kFactPrefix, static_cast<uint64_t>(id));
}

std::vector<LeaseId> LeaseTable::ids() const {
  std::vector<LeaseId> ids;
  ids.reserve(leases_.size());
  for (const auto& [id, entry] : leases_) ids.push_back(id);
  return ids;
}

std::vector<std::string> LeaseTable::keys(LeaseId id) const {
  const auto found = keys_.find(id);
  if (found == keys_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::optional<Lease> LeaseTable::describe(LeaseId id, bool with_keys) const {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return std::nullopt;
  const Entry& entry = found->second;
  const auto left = std::chrono::floor<std::chrono::seconds>(entry.end - clock_.steady_now());
  Lease lease{.id = id, .granted_ttl = entry.ttl, .ttl = std::max(left, std::chrono::seconds(-1))};
  if (entry.ttl > bounded(entry.ttl)) lease.ttl = entry.ttl;
  if (with_keys) lease.keys = keys(id);
  return lease;
}

void LeaseTable::set_end(LeaseId id, Entry& entry, SteadyTime end) {
  by_end_.erase({entry.end, id});
  entry.end = end;
  by_end_.insert({end, id});
}

void LeaseTable::grant(LeaseId id, std::chrono::seconds ttl) {
  Entry& entry = leases_[id];
  entry.ttl = ttl;
  set_end(id, entry, clock_.steady_now() + bounded(ttl));
}

void LeaseTable::forget(LeaseId id) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return;
  by_end_.erase({found->second.end, id});
  leases_.erase(found);
}

bool LeaseTable::keep_alive(LeaseId id) {
  const auto found = leases_.find(id);
  const SteadyTime now = clock_.steady_now();
  if (found == leases_.end() || found->second.end <= now) return false;
  set_end(id, found->second, now + bounded(found->second.ttl));
  return true;
}

void LeaseTable::attach(LeaseId id, const std::string& key) { keys_[id].insert(key); }

void LeaseTable::detach(LeaseId id, std::string_view key) {
  const auto lease = keys_.find(id);
  if (lease == keys_.end()) return;
  const auto found = lease->second.find(key);
  if (found != lease->second.end()) lease->second.erase(found);
  if (lease->second.empty()) keys_.erase(lease);
}

std::vector<LeaseId> LeaseTable::expired() const {
  std::vector<LeaseId> expired;
  const SteadyTime now = clock_.steady_now();
  for (const auto& [end, id] : by_end_) {
    if (end > now) break;
    expired.push_back(id);
  }
  return expired;
}

std::optional<SteadyTime> LeaseTable::next_end() const {
  if (by_end_.empty()) return std::nullopt;
  return by_end_.begin()->first;
}

MetaChange LeaseTable::fact(LeaseId id) const {
  const Entry& entry = leases_.at(id);
  std::string value;
  put_fixed64(value, static_cast<uint64_t>(entry.ttl.count()));
  put_fixed64(value, static_cast<uint64_t>(to_ms(clock_.wall_now() + (entry.end - clock_.steady_now()))));
  return {fact_key(id), std::move(value)};
}

MetaChange LeaseTable::forgotten_fact(LeaseId id) { return {fact_key(id), std::nullopt}; }

bool LeaseTable::fact_is_stale(LeaseId id) const {
  const Entry& entry = leases_.at(id);
  return entry.end - entry.persisted_end > bounded(entry.ttl) / 4;
}

void LeaseTable::mark_persisted(LeaseId id) {
  if (const auto found = leases_.find(id); found != leases_.end()) {
    found->second.persisted_end = found->second.end;
  }
}

void LeaseTable::load(const Meta& meta) {
  std::set<LeaseId> known;
  const SteadyTime now = clock_.steady_now();
  for (auto it = meta.lower_bound(kFactPrefix); it != meta.end() && it->first.starts_with(kFactPrefix);
       ++it) {
    const std::optional<LeaseId> id = id_of(it->first);
    if (!id || it->second.size() != kFactSize) continue;
    known.insert(*id);
    const bool is_new = !leases_.contains(*id);
    Entry& entry = leases_[*id];
    entry.ttl = std::chrono::seconds(load_fixed64(it->second.data()));
    const std::chrono::milliseconds end_ms(load_fixed64(it->second.data() + 8));
    // A wall clock that jumped neither ends a lease before now nor stretches it beyond its ttl.
    const Duration left =
        std::clamp<Duration>(WallTime(end_ms) - clock_.wall_now(), Duration(0), bounded(entry.ttl));
    set_end(*id, entry, is_new ? now + left : std::max(entry.end, now + left));
    entry.persisted_end = now + left;
  }
  for (const LeaseId id : ids()) {
    if (!known.contains(id)) forget(id);
  }
}

}  // namespace cloudless::store
