// The contract of store::Store, for every implementation: a test program includes this once and names its
// own.
//
//     INSTANTIATE_TEST_SUITE_P(Every, StoreContract, ::testing::Values(Implementation{"Memory",
//     make_memory}),
//                              implementation_name);
//
// Each test has a store of its own that nobody has written to.
#pragma once

#include <functional>

#include "store/errors.hpp"
#include "store/testing.hpp"
#include "store/watch_hub.hpp"

namespace cloudless::store::testing {

/// Revisions and versions can be given to it, by restore().
enum class Restores { kYes, kNo };

/// A store under test and what stands behind it.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual Store& store() = 0;
  /// Ends the store, with all that stands behind it, and opens it again on the same data. False where the
  /// data ends with the store.
  virtual bool reopen() = 0;
  virtual Restores restores() const { return Restores::kYes; }
};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<Subject>()> make;
};
inline std::string implementation_name(const ::testing::TestParamInfo<Implementation>& info) {
  return info.param.name;
}
inline void PrintTo(const Implementation& implementation, std::ostream* out) { *out << implementation.name; }

class StoreContract : public ::testing::TestWithParam<Implementation> {
 protected:
  Revision must_put(std::string key, std::string value, LeaseId lease = 0) {
    const Result<PutResponse> response = run_(store().put(put(std::move(key), std::move(value), lease)));
    EXPECT_TRUE(response) << response.error().message;
    return response ? response->revision : 0;
  }
  RangeResponse must_range(RangeRequest request) {
    Result<RangeResponse> response = run_(store().range(std::move(request)));
    EXPECT_TRUE(response) << response.error().message;
    return response ? std::move(*response) : RangeResponse();
  }
  std::string value(std::string key, Revision revision = 0) {
    const RangeResponse response = must_range(get(std::move(key), revision));
    return response.kvs.empty() ? "(none)" : std::string(view(response.kvs[0].value));
  }
  std::unique_ptr<Watcher> must_watch(WatchRequest request) {
    Result<std::unique_ptr<Watcher>> watcher = run_(store().watch(std::move(request)));
    EXPECT_TRUE(watcher);
    return std::move(*watcher);
  }

  Store& store() { return subject_->store(); }

  Runner run_;
  std::unique_ptr<Subject> subject_ = GetParam().make();
};

TEST_P(StoreContract, TheFirstWriteMakesRevisionTwo) {
  EXPECT_EQ(must_put("/a", "1"), 2);
  EXPECT_EQ(must_put("/a", "2"), 3);
  const RangeResponse response = must_range(get("/a"));
  ASSERT_EQ(response.kvs.size(), 1u);
  EXPECT_EQ(response.revision, 3);
  EXPECT_EQ(response.kvs[0].create_revision, 2);
  EXPECT_EQ(response.kvs[0].mod_revision, 3);
  EXPECT_EQ(response.kvs[0].version, 2);
  EXPECT_EQ(view(response.kvs[0].value), "2");
}

TEST_P(StoreContract, AKeyDeletedAndPutAgainStartsAtVersionOne) {
  must_put("/a", "1");
  must_put("/a", "2");
  const Result<DeleteRangeResponse> deleted = run_(store().delete_range({.key = "/a", .prev_kv = true}));
  ASSERT_TRUE(deleted);
  EXPECT_EQ(deleted->deleted, 1);
  EXPECT_EQ(view(deleted->prev_kvs.at(0).value), "2");
  must_put("/a", "3");
  const RangeResponse response = must_range(get("/a"));
  EXPECT_EQ(response.kvs.at(0).version, 1);
  EXPECT_EQ(response.kvs.at(0).create_revision, 5);
}

TEST_P(StoreContract, DeletingNothingMakesNoRevision) {
  must_put("/a", "1");
  const Result<DeleteRangeResponse> deleted = run_(store().delete_range(del("/b")));
  ASSERT_TRUE(deleted);
  EXPECT_EQ(deleted->deleted, 0);
  EXPECT_EQ(deleted->revision, 2);
}

TEST_P(StoreContract, ThePastStaysReadable) {
  must_put("/a", "1");
  must_put("/a", "2");
  ASSERT_TRUE(run_(store().delete_range(del("/a"))));
  EXPECT_EQ(value("/a", 2), "1");
  EXPECT_EQ(value("/a", 3), "2");
  EXPECT_EQ(value("/a", 4), "(none)");
}

TEST_P(StoreContract, ALimitedRangeCountsEverything) {
  for (const char* key : {"/p/c", "/p/a", "/q", "/p/b"}) must_put(key, "x");
  RangeRequest request = list("/p/");
  request.limit = 2;
  const RangeResponse response = must_range(request);
  EXPECT_THAT(keys_of(response), ::testing::ElementsAre("/p/a", "/p/b"));
  EXPECT_TRUE(response.more);
  EXPECT_EQ(response.count, 3);
}

TEST_P(StoreContract, RangesSortFilterAndCount) {
  must_put("/k/a", "3");
  must_put("/k/b", "1");
  must_put("/k/c", "2");
  must_put("/k/a", "0");
  RangeRequest by_mod = list("/k/");
  by_mod.sort_target = SortTarget::kMod;
  by_mod.sort_order = SortOrder::kDescend;
  by_mod.limit = 2;
  EXPECT_THAT(keys_of(must_range(by_mod)), ::testing::ElementsAre("/k/a", "/k/c"));
  RangeRequest by_value = list("/k/");
  by_value.sort_target = SortTarget::kValue;
  EXPECT_THAT(keys_of(must_range(by_value)), ::testing::ElementsAre("/k/a", "/k/b", "/k/c"));
  RangeRequest filtered = list("/k/");
  filtered.max_mod_revision = 4;
  filtered.min_create_revision = 3;
  const RangeResponse some = must_range(filtered);
  EXPECT_THAT(keys_of(some), ::testing::ElementsAre("/k/b", "/k/c"));
  EXPECT_EQ(some.count, 3);
  RangeRequest counted = list("/k/");
  counted.count_only = true;
  EXPECT_EQ(must_range(counted).count, 3);
  EXPECT_THAT(must_range(counted).kvs, ::testing::IsEmpty());
  RangeRequest names = list("/k/");
  names.keys_only = true;
  EXPECT_EQ(must_range(names).kvs.at(0).value, nullptr);
}

TEST_P(StoreContract, AllKeysFromAKeyOnAreARange) {
  for (const char* key : {"/a", "/b", "/c"}) must_put(key, "x");
  EXPECT_THAT(keys_of(must_range({.key = "/b", .range_end = std::string(1, '\0')})),
              ::testing::ElementsAre("/b", "/c"));
}

TEST_P(StoreContract, BadRequestsHaveEtcdsErrors) {
  must_put("/a", "1");
  const auto error_of = [](const auto& result) { return result ? Error() : result.error(); };
  EXPECT_EQ(error_of(run_(store().put(put("", "x")))), errors::empty_key());
  EXPECT_EQ(error_of(run_(store().range(get("")))), errors::empty_key());
  EXPECT_EQ(error_of(run_(store().range(get("/a", 9)))), errors::future_revision());
  EXPECT_EQ(error_of(run_(store().put({.key = "/a", .value = share("x"), .ignore_value = true}))),
            errors::value_provided());
  EXPECT_EQ(error_of(run_(store().put({.key = "/b", .ignore_value = true}))), errors::key_not_found());
  EXPECT_EQ(error_of(run_(store().put({.key = "/a", .lease = 7, .ignore_lease = true}))),
            errors::lease_provided());
  EXPECT_EQ(error_of(run_(store().put(put("/a", "x", 7)))), errors::lease_not_found());
  EXPECT_EQ(error_of(run_(store().put(put("/a", std::string((3 << 19) + 1, 'x'))))),
            errors::request_too_large());
  EXPECT_EQ(error_of(run_(store().compact(9, false))), errors::future_revision());
  TxnRequest twice{.success = {put("/a", "1"), put("/a", "2")}};
  EXPECT_EQ(error_of(run_(store().txn(twice))), errors::duplicate_key());
  TxnRequest overlapping{.success = {put("/a", "1"), DeleteRangeRequest{.key = "/", .range_end = "0"}}};
  EXPECT_EQ(error_of(run_(store().txn(overlapping))), errors::duplicate_key());
  TxnRequest many{.success = std::vector<TxnOp>(129, get("/a"))};
  EXPECT_EQ(error_of(run_(store().txn(many))), errors::too_many_ops());
}

TEST_P(StoreContract, ATransactionTakesOneBranchInOneRevision) {
  must_put("/a", "1");
  TxnRequest request{.compare = {mod_is("/a", 2)},
                     .success = {put("/a", "2"), put("/b", "2"), get("/b")},
                     .failure = {get("/a")}};
  const Result<TxnResponse> first = run_(store().txn(request));
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->succeeded);
  EXPECT_EQ(first->revision, 3);
  EXPECT_EQ(std::get<RangeResponse>(first->responses.at(2)).kvs.at(0).mod_revision, 3);
  const Result<TxnResponse> second = run_(store().txn(request));
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->succeeded);
  EXPECT_EQ(second->revision, 3);
  EXPECT_EQ(view(std::get<RangeResponse>(second->responses.at(0)).kvs.at(0).value), "2");
}

TEST_P(StoreContract, AFailingOperationUndoesItsTransaction) {
  must_put("/a", "1");
  TxnRequest request{.success = {put("/a", "2"), put("/b", "2", 99)}};
  EXPECT_EQ(run_(store().txn(request)).error(), errors::lease_not_found());
  EXPECT_EQ(value("/a"), "1");
  EXPECT_EQ(must_put("/c", "1"), 3);
}

TEST_P(StoreContract, ComparesCoverRangesAndMissingKeys) {
  must_put("/r/a", "1");
  must_put("/r/b", "1");
  const auto succeeds = [&](Compare compare) {
    return run_(store().txn({.compare = {std::move(compare)}}))->succeeded;
  };
  Compare all_one{.target = CompareTarget::kValue, .key = "/r/", .range_end = "/r0", .value = "1"};
  EXPECT_TRUE(succeeds(all_one));
  must_put("/r/b", "2");
  EXPECT_FALSE(succeeds(all_one));
  EXPECT_TRUE(succeeds({.target = CompareTarget::kCreate, .key = "/none", .number = 0}));
  EXPECT_FALSE(succeeds({.target = CompareTarget::kValue, .key = "/none", .value = ""}));
  EXPECT_TRUE(succeeds(
      {.result = CompareResult::kGreater, .target = CompareTarget::kVersion, .key = "/r/b", .number = 1}));
}

TEST_P(StoreContract, NestedTransactionsDecideBeforeAnythingChanges) {
  must_put("/a", "1");
  auto nested = std::make_shared<const TxnRequest>(
      TxnRequest{.compare = {mod_is("/b", 0)}, .success = {put("/c", "was missing")}});
  const Result<TxnResponse> response =
      run_(store().txn({.compare = {mod_is("/a", 2)}, .success = {put("/b", "1"), nested}}));
  ASSERT_TRUE(response);
  EXPECT_TRUE(std::get<std::shared_ptr<const TxnResponse>>(response->responses.at(1))->succeeded);
  EXPECT_EQ(value("/c"), "was missing");
}

TEST_P(StoreContract, CompactionForgetsThePastAndKeepsThePresent) {
  for (int i = 0; i < 20; ++i)
    must_put("/a", fmt::format("{{\"kind\":\"Pod\",\"padding\":\"{:080}\",\"n\":{}}}", 0, i));
  must_put("/b", "1");
  ASSERT_TRUE(run_(store().delete_range(del("/b"))));
  ASSERT_TRUE(run_(store().compact(20, true)));
  EXPECT_EQ(run_(store().range(get("/a", 19))).error(), errors::compacted());
  EXPECT_THAT(value("/a", 20), ::testing::EndsWith("\"n\":18}"));
  EXPECT_THAT(value("/a"), ::testing::EndsWith("\"n\":19}"));
  EXPECT_EQ(run_(store().compact(20, true)).error(), errors::compacted());
  ASSERT_TRUE(run_(store().compact(23, true)));
  EXPECT_EQ(value("/b"), "(none)");
  EXPECT_EQ(run_(store().status())->keys, 1);
}

TEST_P(StoreContract, AWatchDeliversThePastAndThenThePresent) {
  must_put("/w/a", "1");
  must_put("/other", "1");
  must_put("/w/a", "2");
  auto watcher = must_watch({.key = "/w/", .range_end = "/w0", .start_revision = 2});
  EXPECT_THAT(next_events(run_, *watcher, 2), ::testing::ElementsAre("put /w/a=1@2", "put /w/a=2@4"));
  must_put("/w/b", "3");
  ASSERT_TRUE(run_(store().delete_range(del("/w/a"))));
  EXPECT_THAT(next_events(run_, *watcher, 2), ::testing::ElementsAre("put /w/b=3@5", "delete /w/a@6"));
}

TEST_P(StoreContract, AWatchFiltersAndShowsWhatWasBefore) {
  must_put("/a", "1");
  auto watcher = must_watch({.key = "/a", .prev_kv = true, .no_put = true});
  must_put("/a", "2");
  ASSERT_TRUE(run_(store().delete_range(del("/a"))));
  const Result<WatchBatch> batch = run_(watcher->next());
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->events.size(), 1u);
  EXPECT_EQ(describe(*batch->events[0]), "delete /a@4");
  EXPECT_EQ(view(batch->events[0]->prev_kv->value), "2");
}

TEST_P(StoreContract, AWatchFromACompactedRevisionSaysSo) {
  for (int i = 0; i < 5; ++i) must_put("/a", "x");
  ASSERT_TRUE(run_(store().compact(5, true)));
  auto watcher = must_watch({.key = "/a", .start_revision = 3});
  EXPECT_EQ(run_(watcher->next()).error(), errors::compacted());
  EXPECT_EQ(watcher->compact_revision(), 5);
}

TEST_P(StoreContract, AWatchReportsProgressWhenAsked) {
  auto watcher = must_watch({.key = "/a"});
  must_put("/b", "1");
  watcher->request_progress();
  const Result<WatchBatch> batch = run_(watcher->next());
  ASSERT_TRUE(batch);
  EXPECT_THAT(batch->events, ::testing::IsEmpty());
  EXPECT_EQ(batch->revision, 2);
}

TEST_P(StoreContract, ACancelledWatchEnds) {
  auto watcher = must_watch({.key = "/a"});
  watcher->cancel();
  EXPECT_EQ(run_(watcher->next()).error().code, Code::kCancelled);
}

TEST_P(StoreContract, ASlowWatcherMissesNothingAndDuplicatesNothing) {
  auto watcher = must_watch({.key = "/s", .range_end = "/t"});
  constexpr int kEvents = static_cast<int>(kWatchQueueEvents) + 500;
  for (int i = 0; i < kEvents; i += 100) {
    TxnRequest request;
    for (int j = i; j < std::min(i + 100, kEvents); ++j)
      request.success.push_back(put(fmt::format("/s{:05}", j), "x"));
    ASSERT_TRUE(run_(store().txn(std::move(request))));
  }
  const std::vector<std::string> events = next_events(run_, *watcher, kEvents);
  ASSERT_EQ(events.size(), static_cast<size_t>(kEvents));
  for (int i = 0; i < kEvents; ++i)
    ASSERT_THAT(events[i], ::testing::StartsWith(fmt::format("put /s{:05}=", i)));
}

TEST_P(StoreContract, ALeaseTakesItsKeysWithIt) {
  const Result<Lease> lease = run_(store().grant_lease(0, std::chrono::seconds(100)));
  ASSERT_TRUE(lease);
  must_put("/l/a", "1", lease->id);
  must_put("/l/b", "1", lease->id);
  must_put("/l/c", "1", lease->id);
  must_put("/l/c", "freed");
  EXPECT_THAT(run_(store().lease_time_to_live(lease->id, true))->keys,
              ::testing::ElementsAre("/l/a", "/l/b"));
  const Result<Revision> revoked = run_(store().revoke_lease(lease->id));
  ASSERT_TRUE(revoked);
  EXPECT_EQ(*revoked, 6);
  EXPECT_THAT(keys_of(must_range(list("/l/"))), ::testing::ElementsAre("/l/c"));
  EXPECT_EQ(run_(store().revoke_lease(lease->id)).error(), errors::lease_not_found());
  EXPECT_EQ(run_(store().lease_time_to_live(lease->id, false))->ttl, std::chrono::seconds(-1));
}

TEST_P(StoreContract, LeaseIdsAreUnique) {
  ASSERT_TRUE(run_(store().grant_lease(5, std::chrono::seconds(100))));
  EXPECT_EQ(run_(store().grant_lease(5, std::chrono::seconds(100))).error(), errors::lease_exists());
  EXPECT_EQ(run_(store().grant_lease(6, std::chrono::seconds(1)))->ttl, kShortestLease);
  EXPECT_THAT(*run_(store().leases()), ::testing::ElementsAre(5, 6));
}

TEST_P(StoreContract, HashesTellStatesApart) {
  must_put("/a", "1");
  const uint32_t before = run_(store().hash_kv(0))->hash;
  must_put("/a", "2");
  EXPECT_NE(run_(store().hash_kv(0))->hash, before);
  EXPECT_EQ(run_(store().hash_kv(2))->hash, before);
}

TEST_P(StoreContract, RestoreKeepsRevisionsAndVersions) {
  if (subject_->restores() == Restores::kNo) {
    EXPECT_EQ(run_(store().restore(9, {}, {})).error().code, Code::kUnimplemented);
    return;
  }
  std::vector<KeyValue> kvs = {{"/a", share("1"), 3, 7, 4, 0}, {"/b", share("2"), 7, 7, 1, 55}};
  ASSERT_TRUE(run_(store().restore(
      9, kvs, {{.id = 55, .granted_ttl = std::chrono::seconds(60), .ttl = std::chrono::seconds(30)}})));
  const RangeResponse response = must_range(list("/"));
  EXPECT_EQ(response.revision, 9);
  ASSERT_EQ(response.kvs.size(), 2u);
  EXPECT_EQ(response.kvs[0].version, 4);
  EXPECT_EQ(response.kvs[1].mod_revision, 7);
  EXPECT_THAT(run_(store().lease_time_to_live(55, true))->keys, ::testing::ElementsAre("/b"));
  EXPECT_EQ(must_put("/c", "x"), 10);
  EXPECT_EQ(run_(store().range(get("/a", 8))).error(), errors::compacted());
  EXPECT_EQ(run_(store().restore(9, kvs, {})).error().code, Code::kConflict);
}

TEST_P(StoreContract, EverythingIsThereAfterAReopening) {
  const Result<Lease> lease = run_(store().grant_lease(0, std::chrono::seconds(100)));
  ASSERT_TRUE(lease);
  for (int i = 0; i < 50; ++i)
    must_put("/a", fmt::format("{{\"kind\":\"Pod\",\"padding\":\"{:080}\",\"n\":{}}}", 0, i));
  must_put("/b", "1", lease->id);
  must_put("/c", "1");
  ASSERT_TRUE(run_(store().delete_range(del("/c"))));
  ASSERT_TRUE(run_(store().compact(20, true)));
  const uint32_t before = run_(store().hash_kv(0))->hash;
  if (!subject_->reopen()) GTEST_SKIP() << "its data ends with it";
  EXPECT_EQ(run_(store().hash_kv(0))->hash, before);
  EXPECT_EQ(run_(store().range(get("/a", 19))).error(), errors::compacted());
  EXPECT_THAT(value("/a", 21), ::testing::EndsWith("\"n\":19}"));
  const Lease kept = run_(store().lease_time_to_live(lease->id, true)).value();
  EXPECT_THAT(kept.keys, ::testing::ElementsAre("/b"));
  EXPECT_GT(kept.ttl, std::chrono::seconds(60));
  EXPECT_LE(kept.ttl, std::chrono::seconds(100));
}

}  // namespace cloudless::store::testing
