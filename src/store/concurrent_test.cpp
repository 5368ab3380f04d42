// Writes, reads and compactions of the same keys at once: who shares the index with whom. The thread
// sanitizer is what sees most here.
#include <array>
#include <atomic>

#include "store/testing.hpp"

namespace cloudless::store::testing {
namespace {

constexpr int kRounds = 300;
constexpr int kKeys = 40;

class Concurrent : public ::testing::Test {
 protected:
  Concurrent() {
    store_ = std::move(*LocalStore::open(std::make_unique<MemoryLog>(), {.value_cache_bytes = 4096}, clock_,
                                         random_, Logger()));
  }
  // One thread with a loop of its own that changes, deletes and compares the keys.
  void write(Runner& run, uint64_t seed) {
    SeededRandom random(seed);
    for (int i = 0; i < kRounds; ++i) {
      const std::string key = fmt::format("/k{}", random.below(kKeys));
      ASSERT_TRUE(run(store_->put(put(key, std::string(500, 'a') + std::to_string(i)))));
      TxnRequest txn{
          .compare = {mod_is(key, 1)}, .success = {del(key)}, .failure = {put(key, "b"), list("/k")}};
      ASSERT_TRUE(run(store_->txn(txn)));
      if (random.below(4) == 0) ASSERT_TRUE(run(store_->delete_range(del(key))));
    }
  }
  void compact_until(Runner& run, const std::atomic<bool>& done) {
    while (!done) {
      const Result<Revision> now = run(store_->revision());
      ASSERT_TRUE(now);
      // Refused where nothing was written since the last one.
      static_cast<void>(run(store_->compact(*now, true)));
      ASSERT_TRUE(run(store_->range(list("/"))));
    }
  }

  SystemClock clock_;
  SystemRandom random_;
  // They outlive the store, whose threads wake their loops.
  std::array<Runner, 3> runners_;
  std::unique_ptr<LocalStore> store_;
};

TEST_F(Concurrent, CompactionDropsNothingThatWritersStandOn) {
  std::atomic<bool> done = false;
  std::thread compactor([&] { compact_until(runners_[0], done); });
  std::thread other([&] { write(runners_[1], 1); });
  write(runners_[2], 2);
  other.join();
  done = true;
  compactor.join();
  const Result<RangeResponse> rest = runners_[0](store_->range(list("/")));
  ASSERT_TRUE(rest);
  EXPECT_LE(rest->count, kKeys);
  for (const KeyValue& kv : rest->kvs) {
    EXPECT_TRUE(view(kv.value) == "b" || view(kv.value).starts_with("aaa")) << kv.key;
  }
}

}  // namespace
}  // namespace cloudless::store::testing
