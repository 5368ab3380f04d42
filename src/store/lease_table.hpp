// LeaseTable: leases, when they end, and the keys attached to them. Pure: time comes in, facts to persist go
// out. LocalStore guards it.
//
// A lease is kept in the log as a fact, `lease/<id in hex>` -> granted ttl and the wall time of its end, so
// that it survives a restart with the time that it had left.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "store/log.hpp"
#include "store/types.hpp"

namespace cloudless::store {

/// etcd raises shorter ones to this: 1.5 election timeouts, rounded up.
inline constexpr std::chrono::seconds kShortestLease{2};
/// etcd's lease.MaxLeaseTTL.
inline constexpr std::chrono::seconds kLongestLease{9'000'000'000};

class LeaseTable {
 public:
  explicit LeaseTable(const Clock& clock) : clock_(clock) {}

  bool contains(LeaseId id) const { return leases_.contains(id); }
  size_t size() const { return leases_.size(); }
  std::vector<LeaseId> ids() const;
  std::optional<Lease> describe(LeaseId id, bool with_keys) const;
  std::vector<std::string> keys(LeaseId id) const;

  /// Starts a lease, or starts it again.
  void grant(LeaseId id, std::chrono::seconds ttl);
  void forget(LeaseId id);
  /// Gives the lease its whole ttl again; false where it does not exist or has expired.
  bool keep_alive(LeaseId id);

  /// Attachments are of the index, not of the facts: a key may name a lease that this process has yet to hear
  /// of, and keeps it until it is detached.
  void attach(LeaseId id, const std::string& key);
  void detach(LeaseId id, std::string_view key);
  void detach_all() { keys_.clear(); }

  /// Leases whose time is over.
  std::vector<LeaseId> expired() const;
  /// When the next lease ends.
  std::optional<SteadyTime> next_end() const;

  static std::string fact_key(LeaseId id);
  /// The fact that stands for a lease, as it is now.
  MetaChange fact(LeaseId id) const;
  static MetaChange forgotten_fact(LeaseId id);
  /// True where the fact in the log is so old that a restart would take more than a quarter of the ttl from
  /// the lease.
  bool fact_is_stale(LeaseId id) const;
  void mark_persisted(LeaseId id);
  /// Takes over the leases that the facts describe, with the time they have left, and drops others. Of two
  /// ends the later one counts.
  void load(const Meta& meta);

 private:
  struct Entry {
    std::chrono::seconds ttl{0};
    SteadyTime end;
    SteadyTime persisted_end;
  };
  void set_end(LeaseId id, Entry& entry, SteadyTime end);

  const Clock& clock_;
  std::map<LeaseId, Entry> leases_;
  std::map<LeaseId, std::set<std::string, std::less<>>> keys_;
  std::set<std::pair<SteadyTime, LeaseId>> by_end_;
};

}  // namespace cloudless::store
