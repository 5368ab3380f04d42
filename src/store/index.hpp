// Index: which versions of which keys exist, in memory, without their values.
//
//     key -> newest version, and behind it the older ones that are not compacted yet
//
//     ... visible() ... staged head          Changes are staged, one revision after another, then published
//     <--- readers -->|<-- the writer        once they are durable, or rolled back where the append failed.
//                                            Readers ask at or below visible(); what is staged does not
//                                            disturb them.
//
// Pure data: no I/O and no locks; LocalStore guards it. Keys take about 150 bytes plus their name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/log.hpp"
#include "store/types.hpp"

namespace cloudless::store {

/// One version of a key, without its value. 32 bytes.
struct Version {
  Revision mod = 0;
  Revision create = 0;
  LeaseId lease = 0;
  int64_t number : 61 = 0;
  bool deleted : 1 = false;
  /// The value is stored in full, so later versions may be deltas of it.
  bool full : 1 = false;
};

class Index {
 public:
  using Visit = std::function<bool(const std::string& key, const Version& version)>;

  Revision visible() const { return visible_; }
  Revision staged() const { return staged_revision_; }
  Revision compacted() const { return compacted_; }
  /// Keys that exist, staged changes included.
  int64_t live_keys() const { return live_keys_; }

  /// The key's version as of `at`; null where it does not exist then.
  const Version* find(std::string_view key, Revision at) const;
  /// What a put finds: the key's version as of `at` and, of the same life of the key, the newest one whose
  /// value is stored in full. Null where there is none.
  struct Standing {
    const Version* version = nullptr;
    const Version* full = nullptr;
  };
  Standing standing(std::string_view key, Revision at) const;
  /// Calls `visit` for each key of the range that exists at `at`, in order, until it returns false.
  void scan(std::string_view key, std::string_view range_end, Revision at, const Visit& visit) const;
  /// The revisions in [from, to] that changed keys of the range, ascending.
  std::vector<Revision> revisions(std::string_view key, std::string_view range_end, Revision from,
                                  Revision to) const;

  /// Stages a change at staged() + 1 or, as a further change of the same revision, at staged(). `version.mod`
  /// says which. Returns the index's own copy of the key, which lives as long as the key.
  const std::string& stage(std::string_view key, const Version& version);
  /// Makes everything staged visible.
  void publish();
  /// Forgets what was staged after `revision`, which is at or after visible().
  void rollback(Revision revision);
  /// Moves the head of an empty or catching-up index over revisions that left nothing behind.
  void skip_to(Revision revision);

  /// Reads below `revision` are refused from now on.
  void set_compacted(Revision revision) { compacted_ = revision; }

  struct Sweep {
    /// What the log may forget. To be pruned in ascending order: a deletion goes with the versions before it
    /// or after them, or a restart would bring the key back. Of one key, later steps have what is later.
    std::vector<Prune> prunes;
    /// Where the next step begins.
    std::string next_key;
    bool done = false;
  };
  /// Drops what was superseded at or before compacted() from `keys` keys, beginning at `from`, and at most
  /// `changes` of it.
  Sweep sweep(std::string_view from, size_t keys, size_t changes);

  void clear();

 private:
  struct History {
    Version newest;
    // Ascending. Null for the many keys with one version.
    std::unique_ptr<std::vector<Version>> older;
  };
  using Keys = std::map<std::string, History, std::less<>>;

  static const Version* version_at(const History& history, Revision at);
  static const Version* full_at(const History& history, Revision at);
  static std::vector<Revision> take_superseded(std::vector<Version>& versions, Revision compacted,
                                               size_t limit);
  Keys::const_iterator first_of(std::string_view key) const { return keys_.lower_bound(key); }
  void unstage(Keys::iterator key);
  void forget(Sweep& sweep, const std::string& key, Revision revision);

  Keys keys_;
  Revision visible_ = kEmptyHead;
  Revision staged_revision_ = kEmptyHead;
  Revision compacted_ = 0;
  int64_t live_keys_ = 0;
  struct Staged {
    Revision revision;
    Keys::iterator key;
  };
  std::vector<Staged> staged_;
  // How many changes of a revision with several are still needed.
  std::unordered_map<Revision, uint32_t> shared_revisions_;
};

}  // namespace cloudless::store
