// What a compaction makes the log forget, and in which order.
#include <atomic>
#include <thread>

#include "store/testing.hpp"

namespace cloudless::store::testing {
namespace {

constexpr int kKeys = 300;
constexpr int kChangesPerKey = 20;

// What outlives the stores that are opened on it: the entries, and what was asked of them.
struct Disk {
  MemoryLog entries;
  std::vector<Prune> pruned;
  std::vector<size_t> calls;
  std::atomic<bool> failing = false;
  std::atomic<int> failed = 0;
};

class WatchedLog final : public Log {
 public:
  explicit WatchedLog(Disk& disk) : disk_(disk) {}

  Result<> replay(Revision after, const Replay& replay) override {
    return disk_.entries.replay(after, replay);
  }
  Result<Revision> head() override { return disk_.entries.head(); }
  Result<Meta> meta() override { return disk_.entries.meta(); }
  Result<> append(const LogBatch& batch) override { return disk_.entries.append(batch); }
  Result<> sync() override { return disk_.entries.sync(); }
  Result<std::string> read(Revision revision) override { return disk_.entries.read(revision); }
  Result<> prune(std::span<const Prune> prunes) override {
    if (disk_.failing) {
      ++disk_.failed;
      return fail(Code::kUnavailable, "the disk is away");
    }
    disk_.pruned.insert(disk_.pruned.end(), prunes.begin(), prunes.end());
    disk_.calls.push_back(prunes.size());
    return disk_.entries.prune(prunes);
  }
  Result<bool> reclaim() override { return false; }
  Result<> restore(Revision head, std::span<const LogEntry> entries,
                   std::span<const MetaChange> meta) override {
    return disk_.entries.restore(head, entries, meta);
  }
  LogStatus status() override { return disk_.entries.status(); }

 private:
  Disk& disk_;
};

class Sweeper : public ::testing::Test {
 protected:
  void open() {
    store_.reset();
    store_ = std::move(*LocalStore::open(std::make_unique<WatchedLog>(disk_), {}, clock_, random_, Logger()));
  }
  Revision change(const std::string& key, int number) {
    return run_(store_->put(put(key, fmt::format("{}", number))))->revision;
  }
  std::vector<Revision> pruned() const {
    std::vector<Revision> revisions;
    for (const Prune& prune : disk_.pruned) revisions.push_back(prune.revision);
    return revisions;
  }

  Disk disk_;
  SystemClock clock_;
  SeededRandom random_{7};
  Runner run_;
  std::unique_ptr<LocalStore> store_;
};

// So each page of a file is rewritten once, and a deletion never goes before what it deleted.
TEST_F(Sweeper, TheLogForgetsInItsOwnOrderAFewThousandChangesAtATime) {
  open();
  for (int number = 0; number < kChangesPerKey; ++number) {
    for (int key = 0; key < kKeys; ++key) change(fmt::format("/k{}", key), number);
  }
  const Revision last = run_(store_->delete_range({.key = "/k", .range_end = "/l"}))->revision;
  ASSERT_TRUE(run_(store_->compact(last, true)));
  const std::vector<Revision> revisions = pruned();
  EXPECT_EQ(revisions.size(), size_t{kKeys} * kChangesPerKey + 1);
  EXPECT_TRUE(std::ranges::is_sorted(revisions));
  EXPECT_EQ(revisions.back(), last);
  EXPECT_EQ(disk_.pruned.back().keys.size(), size_t{kKeys});
  EXPECT_GE(disk_.calls.size(), 3u);
  EXPECT_LE(std::ranges::max(disk_.calls), 2048u);
  EXPECT_EQ(disk_.entries.status().in_use_bytes, 0);
}

TEST_F(Sweeper, WhatALogCouldNotForgetGoesAtTheNextStartAndNothingComesBack) {
  open();
  change("/a", 1);
  change("/gone", 1);
  change("/a", 2);
  const Revision last = run_(store_->delete_range(del("/gone")))->revision;
  disk_.failing = true;
  ASSERT_TRUE(run_(store_->compact(last, false)));
  while (disk_.failed == 0) std::this_thread::yield();
  store_.reset();
  EXPECT_TRUE(disk_.pruned.empty());
  disk_.failing = false;
  open();
  EXPECT_THAT(keys_of(*run_(store_->range(list("/")))), ::testing::ElementsAre("/a"));
  ASSERT_TRUE(run_(store_->defragment()));
  EXPECT_THAT(pruned(), ::testing::ElementsAre(2, 3, 5));
  open();
  EXPECT_THAT(keys_of(*run_(store_->range(list("/")))), ::testing::ElementsAre("/a"));
}

}  // namespace
}  // namespace cloudless::store::testing
