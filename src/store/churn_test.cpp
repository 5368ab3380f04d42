// The same keys written over and over, as a cluster writes its statuses: space must not grow with time.
#include "store/sqlite_log.hpp"
#include "store/testing.hpp"

namespace cloudless::store::testing {
namespace {

constexpr int kRounds = 24;
constexpr int kWritesPerRound = 100;
constexpr int kKeys = 30;

class Churn : public ::testing::Test {
 protected:
  void open() {
    auto log = SqliteLog::open({.path = directory_.file("state.db"), .journal_bytes = 64 << 10}, *files_,
                               random_, Logger());
    ASSERT_TRUE(log) << log.error().message;
    store_ = std::move(*LocalStore::open(std::move(*log), {}, clock_, random_, Logger()));
  }
  void round(int number) {
    for (int i = 0; i < kWritesPerRound; ++i) {
      std::string value(1000, 'x');
      for (char& byte : value) byte = static_cast<char>(random_.next());
      last_ = run_(store_->put(put(fmt::format("/k{}", (number + i) % kKeys), std::move(value))))->revision;
    }
    ASSERT_TRUE(run_(store_->compact(last_, true)));
  }
  int64_t size_bytes() { return run_(store_->status())->db_size_bytes; }

  TempDir directory_;
  SystemClock clock_;
  SeededRandom random_{7};
  std::unique_ptr<Files> files_ = make_system_files();
  Runner run_;
  std::unique_ptr<LocalStore> store_;
  Revision last_ = 0;
};

TEST_F(Churn, TheFileOfACompactedStoreStaysSmallHoweverLongItIsWrittenTo) {
  open();
  int64_t early = 0;
  for (int i = 0; i < kRounds; ++i) {
    round(i);
    if (i < kRounds / 4) early = std::max(early, size_bytes());
    EXPECT_LE(size_bytes(), early + early / 2) << "round " << i;
  }
  // More than two million bytes went through it, 30 KB are there.
  EXPECT_LT(size_bytes(), int64_t{kRounds} * kWritesPerRound * 1000 / 4);
  store_.reset();
  open();
  EXPECT_EQ(run_(store_->range(list("/")))->count, kKeys);
}

// What a compaction frees goes back to the file system a few pages at a time, so that no reader waits for
// long.
TEST(Reclaim, GivesFreeSpaceBackInSmallSteps) {
  constexpr int64_t kMostAtOnce = 140 * 8192;
  constexpr int64_t kFull = 8 << 20;
  constexpr int kMostAppends = 20'000;
  TempDir directory;
  SeededRandom random(7);
  const auto files = make_system_files();
  const std::string path = directory.file("state.db");
  auto log = *SqliteLog::open({.path = path, .journal_bytes = 256 << 10}, *files, random, Logger());
  const auto size = [&] { return static_cast<int64_t>(std::filesystem::file_size(path)); };
  Revision head = kEmptyHead;
  std::vector<Prune> everything;
  // Until the background has brought so much into the database.
  for (int i = 0; i < kMostAppends && size() < kFull; ++i) {
    LogBatch batch{.head = head};
    batch.entries.push_back({++head, random.bytes(6000)});
    everything.push_back({head, {}});
    ASSERT_TRUE(log->append(batch));
  }
  ASSERT_TRUE(log->prune(everything));
  const int64_t full = size();
  int steps = 0;
  for (bool more = true; more; ++steps) {
    const int64_t before = size();
    const Result<bool> reclaimed = log->reclaim();
    ASSERT_TRUE(reclaimed) << reclaimed.error().message;
    more = *reclaimed;
    EXPECT_LE(before - size(), kMostAtOnce);
  }
  EXPECT_GT(steps, 4);
  EXPECT_LT(size(), full / 2);
}

}  // namespace
}  // namespace cloudless::store::testing
