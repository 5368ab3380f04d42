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

}  // namespace
}  // namespace cloudless::store::testing
