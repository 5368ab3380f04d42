// A store::Store over Debian's real etcd.
#include "etcd/remote_store.hpp"

#include "etcd/served_store.hpp"
#include "runtime/timer.hpp"
#include "store/archive.hpp"
#include "store/errors.hpp"

namespace cloudless::etcd::testing {
namespace {

using ::testing::ElementsAre;

class RemoteStoreTest : public ::testing::Test {
 protected:
  template <class T>
  T run(runtime::Task<T> task) {
    return runtime::run_blocking(thread_.loop(), std::move(task));
  }
  store::Revision put(std::string key, std::string value, store::LeaseId lease = 0) {
    const auto response =
        run(store_->put({.key = std::move(key), .value = share(std::move(value)), .lease = lease}));
    EXPECT_TRUE(response) << response.error().message;
    return response ? response->revision : 0;
  }
  std::string value(std::string key, store::Revision revision = 0) {
    const auto response = run(store_->range({.key = std::move(key), .revision = revision}));
    EXPECT_TRUE(response) << response.error().message;
    return !response || response->kvs.empty() ? "(none)" : std::string(view(response->kvs[0].value));
  }
  std::vector<std::string> events(store::Watcher& watcher, size_t count) {
    std::vector<std::string> found;
    while (found.size() < count) {
      const auto batch =
          run(runtime::with_timeout(std::chrono::seconds(60), "a watch event", watcher.next()));
      if (!batch) return {batch.error().message};
      for (const auto& event : batch->events) {
        found.push_back(fmt::format("{}{}={}@{}", event->type == store::EventType::kPut ? "+" : "-",
                                    event->kv.key, view(event->kv.value), event->kv.mod_revision));
      }
    }
    return found;
  }

  RealEtcd etcd_;
  runtime::LoopThread thread_{"remote-test"};
  // The first endpoint is nobody's: the second one is used.
  std::unique_ptr<store::Store> store_ =
      *make_remote_store({.endpoints = {"http://127.0.0.1:1", "http://" + etcd_.endpoint()}});
};

TEST_F(RemoteStoreTest, PutsReadsComparesAndDeletes) {
  ASSERT_TRUE(eventually([&] { return run(store_->range({.key = "/a"})).has_value(); }));
  EXPECT_EQ(put("/a", "1"), 2);
  EXPECT_EQ(put("/a", "2"), 3);
  EXPECT_EQ(value("/a"), "2");
  EXPECT_EQ(value("/a", 2), "1");
  store::TxnRequest txn;
  txn.compare.push_back({.target = store::CompareTarget::kMod, .key = "/a", .number = 3});
  txn.success.emplace_back(store::PutRequest{.key = "/b", .value = share("x")});
  txn.success.emplace_back(store::RangeRequest{.key = "/a"});
  const auto response = run(store_->txn(txn));
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->succeeded);
  EXPECT_EQ(response->revision, 4);
  EXPECT_EQ(std::get<store::RangeResponse>(response->responses.at(1)).kvs.at(0).version, 2);
  EXPECT_EQ(run(store_->delete_range({.key = "/b"}))->deleted, 1);
  EXPECT_EQ(run(store_->compact(4, true)).value(), 5);
  EXPECT_EQ(run(store_->range({.key = "/a", .revision = 2})).error(), store::errors::compacted());
  EXPECT_EQ(run(store_->range({.key = "/a", .revision = 99})).error(), store::errors::future_revision());
  EXPECT_EQ(run(store_->status())->keys, 1);
  EXPECT_TRUE(run(store_->defragment()));
}

// What was never sent may go to another member, a write too.
TEST_F(RemoteStoreTest, TheFirstWriteFindsTheMemberThatCanBeReached) {
  EXPECT_EQ(put("/a", "1"), 2);
  EXPECT_EQ(put("/a", "2"), 3);
}

TEST_F(RemoteStoreTest, LeasesLiveAndTakeTheirKeysAlong) {
  ASSERT_TRUE(eventually([&] { return run(store_->grant_lease(7, std::chrono::seconds(100))).has_value(); }));
  EXPECT_EQ(run(store_->grant_lease(7, std::chrono::seconds(100))).error(), store::errors::lease_exists());
  put("/leased", "1", 7);
  EXPECT_EQ(run(store_->keep_lease_alive(7)).value(), std::chrono::seconds(100));
  EXPECT_THAT(run(store_->lease_time_to_live(7, true))->keys, ElementsAre("/leased"));
  EXPECT_THAT(*run(store_->leases()), ElementsAre(7));
  EXPECT_TRUE(run(store_->revoke_lease(7)));
  EXPECT_EQ(value("/leased"), "(none)");
  EXPECT_EQ(run(store_->keep_lease_alive(7)).error(), store::errors::lease_not_found());
}

TEST_F(RemoteStoreTest, AWatchGoesOnWhereItWasWhenEtcdComesBack) {
  ASSERT_TRUE(eventually([&] { return run(store_->range({.key = "/w"})).has_value(); }));
  put("/w/a", "1");
  auto watcher = run(store_->watch({.key = "/w/", .range_end = "/w0", .start_revision = 2}));
  ASSERT_TRUE(watcher);
  EXPECT_THAT(events(**watcher, 1), ElementsAre("+/w/a=1@2"));
  etcd_.restart();
  ASSERT_TRUE(eventually([&] { return run(store_->range({.key = "/w"})).has_value(); }));
  put("/w/a", "2");
  EXPECT_THAT(events(**watcher, 1), ElementsAre("+/w/a=2@3"));
  (*watcher)->cancel();
  EXPECT_EQ(run((*watcher)->next()).error().code, Code::kCancelled);
}

TEST_F(RemoteStoreTest, AWatchOfACompactedRevisionSaysSo) {
  ASSERT_TRUE(eventually([&] { return run(store_->range({.key = "/a"})).has_value(); }));
  for (int i = 0; i < 5; ++i) put("/a", "x");
  ASSERT_TRUE(run(store_->compact(5, true)));
  auto watcher = run(store_->watch({.key = "/a", .start_revision = 2}));
  ASSERT_TRUE(watcher);
  EXPECT_EQ(run((*watcher)->next()).error(), store::errors::compacted());
  EXPECT_EQ((*watcher)->compact_revision(), 5);
}

TEST(RemoteEndpoints, AreAListOfOneKind) {
  EXPECT_THAT(parse_endpoints("http://a:1,http://b:2").value(), ElementsAre("http://a:1", "http://b:2"));
  EXPECT_EQ(parse_endpoints("http://a:1,https://b:2").error().code, Code::kInvalid);
  EXPECT_EQ(parse_endpoints("a:1").error().code, Code::kInvalid);
  EXPECT_EQ(parse_endpoints("").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace cloudless::etcd::testing
