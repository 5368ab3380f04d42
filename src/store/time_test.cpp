// What happens with time alone: leases that end, quotas that are looked at. The clock moves by hand.
#include <atomic>

#include "store/errors.hpp"
#include "store/testing.hpp"

namespace cloudless::store::testing {
namespace {

using std::chrono::seconds;

// Set by the test while the store's threads look at it.
class TestClock final : public Clock {
 public:
  WallTime wall_now() const override { return WallTime(seconds(1'790'000'000)) + elapsed(); }
  SteadyTime steady_now() const override { return SteadyTime(elapsed()); }
  void advance(Duration by) { elapsed_ns_ += by.count(); }

 private:
  Duration elapsed() const { return Duration(elapsed_ns_.load()); }
  std::atomic<int64_t> elapsed_ns_{seconds(100).count() * 1'000'000'000};
};

class StoreInTime : public ::testing::Test {
 protected:
  void open(Options options = {}) {
    store_ = std::move(
        *LocalStore::open(std::make_unique<MemoryLog>(), std::move(options), clock_, random_, Logger()));
  }
  void advance(Duration by) {
    clock_.advance(by);
    store_->wake();
  }

  TestClock clock_;
  SystemRandom random_;
  Runner run_;
  std::unique_ptr<LocalStore> store_;
};

TEST_F(StoreInTime, ALeaseThatEndsDeletesItsKeysAndTellsWatchers) {
  open();
  const LeaseId lease = run_(store_->grant_lease(0, seconds(10)))->id;
  ASSERT_TRUE(run_(store_->put(put("/a", "1", lease))));
  auto watcher = std::move(*run_(store_->watch({.key = "/a"})));
  advance(seconds(6));
  EXPECT_EQ(run_(store_->lease_time_to_live(lease, false))->ttl, seconds(4));
  EXPECT_EQ(*run_(store_->keep_lease_alive(lease)), seconds(10));
  advance(seconds(9));
  EXPECT_EQ(run_(store_->lease_time_to_live(lease, false))->ttl, seconds(1));
  EXPECT_EQ(run_(store_->range(get("/a")))->count, 1);
  advance(seconds(1));
  EXPECT_THAT(next_events(run_, *watcher, 1), ::testing::ElementsAre("delete /a@3"));
  EXPECT_EQ(run_(store_->keep_lease_alive(lease)).error(), errors::lease_not_found());
}

TEST_F(StoreInTime, BeyondItsQuotaTheStoreRefusesPutsUntilDisarmed) {
  open({.quota_bytes = 300});
  ASSERT_TRUE(run_(store_->put(put("/a", random_.bytes(400)))));
  advance(seconds(3));
  EXPECT_EQ(run_(store_->put(put("/b", "1"))).error(), errors::no_space());
  EXPECT_THAT(run_(store_->status())->alarms, ::testing::ElementsAre(AlarmType::kNoSpace));
  ASSERT_TRUE(run_(store_->delete_range(del("/a"))));
  ASSERT_TRUE(run_(store_->compact(3, true)));
  EXPECT_TRUE(*run_(store_->disarm(AlarmType::kNoSpace)));
  EXPECT_TRUE(run_(store_->put(put("/b", "1"))));
}

}  // namespace
}  // namespace cloudless::store::testing
