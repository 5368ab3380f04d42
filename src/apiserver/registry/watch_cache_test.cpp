#include "apiserver/registry/watch_cache.hpp"

#include <gtest/gtest.h>

namespace cloudless::apiserver {
namespace {

CachedObjectPtr object(std::string name, uint64_t revision, std::string_view labels = "{}") {
  const std::string text =
      fmt::format(R"({{"metadata":{{"name":"{}","uid":"u","labels":{}}}}})", name, labels);
  return make_cached_object("/p/" + name, text, revision, {}).value();
}

std::vector<std::string> drain(Subscription& subscription) {
  std::vector<std::string> out;
  while (auto event = subscription.try_next()) {
    out.push_back(fmt::format("{} {} {}", to_string((*event)->type), (*event)->object->name,
                              (*event)->object->revision));
  }
  return out;
}

TEST(WatchCache, ASubscriptionTellsWhatAChangeMeansToItsSelection) {
  WatchCache cache({});
  cache.load(1, {});
  const Predicate wanted = [](const CachedObject& o) { return !o.labels.empty(); };
  const auto subscribed = cache.subscribe({.key = "/p/", .predicate = wanted, .since = 1});
  ASSERT_TRUE(subscribed.has_value());
  const Change changes[] = {{"/p/a", 2, object("a", 2)},
                            {"/p/a", 3, object("a", 3, R"({"x":"y"})")},
                            {"/p/a", 4, object("a", 4, R"({"x":"z"})")},
                            {"/p/a", 5, object("a", 5)},
                            {"/p/a", 6, object("a", 6, R"({"x":"y"})")},
                            {"/p/a", 7, nullptr}};
  cache.apply(changes);
  const std::vector<std::string> expected = {"ADDED a 3", "MODIFIED a 4", "DELETED a 5", "ADDED a 6",
                                             "DELETED a 7"};
  EXPECT_EQ(drain(*subscribed->subscription), expected);
}

TEST(WatchCache, AWatchStartsFromTheHistoryOrIsToldThatItIsTooOld) {
  WatchCache cache({});
  cache.load(1, {});
  for (uint64_t revision = 2; revision < 2 + kHistoryEvents + 10; ++revision) {
    const Change change{"/p/a", revision, object("a", revision)};
    cache.apply({&change, 1});
  }
  const auto old = cache.subscribe({.key = "/p/", .since = 1});
  ASSERT_FALSE(old.has_value());
  EXPECT_EQ(old.error().code, 410);
  const auto recent = cache.subscribe({.key = "/p/", .since = cache.revision() - 2});
  ASSERT_TRUE(recent.has_value());
  EXPECT_EQ(drain(*recent->subscription).size(), 2);
}

TEST(WatchCache, AWatcherThatDoesNotReadIsEndedAndTheOthersGoOn) {
  WatchCache cache({});
  cache.load(1, {});
  const auto slow = cache.subscribe({.key = "/p/", .since = 1});
  const auto quick = cache.subscribe({.key = "/p/", .since = 1});
  size_t seen = 0;
  for (uint64_t revision = 2; revision < 2 + kWatcherQueueEvents + 5; ++revision) {
    const Change change{"/p/a", revision, object("a", revision)};
    cache.apply({&change, 1});
    seen += drain(*quick->subscription).size();
  }
  EXPECT_TRUE(slow->subscription->ended());
  EXPECT_TRUE(slow->subscription->too_slow());
  EXPECT_EQ(slow->subscription->queued_events(), 0U) << "what it will not see is let go";
  EXPECT_EQ(slow->subscription->queued_bytes(), 0U);
  EXPECT_FALSE(quick->subscription->ended());
  EXPECT_EQ(seen, kWatcherQueueEvents + 5);
}

TEST(WatchCache, AQueueIsBoundedInBytesToo) {
  WatchCache cache({});
  cache.load(1, {});
  const auto slow = cache.subscribe({.key = "/p/", .since = 1});
  const CachedObjectPtr large = object("a", 2, R"({"x":")" + std::string(1 << 20, 'x') + R"("})");
  size_t most = 0;
  uint64_t revision = 1;
  while (!slow->subscription->ended()) {
    ++revision;
    const Change change{"/p/a", revision, large};
    cache.apply({&change, 1});
    most = std::max(most, slow->subscription->queued_bytes());
    ASSERT_LT(revision, kWatcherQueueEvents);
  }
  EXPECT_LE(most, kWatcherQueueBytes);
  EXPECT_GT(most, kWatcherQueueBytes / 2);
}

TEST(WatchCache, ChangesThatTheLoadHasSeenAreNotToldAgain) {
  WatchCache cache({});
  const Change early[] = {{"/p/a", 3, object("a", 3)}, {"/p/b", 5, object("b", 5)}};
  cache.apply(early);
  cache.load(4, {object("a", 4)});
  EXPECT_EQ(cache.get("/p/a")->revision, 4);
  EXPECT_EQ(cache.get("/p/b")->revision, 5);
  EXPECT_EQ(cache.revision(), 5);
}

}  // namespace
}  // namespace cloudless::apiserver
