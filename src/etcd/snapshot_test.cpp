#include "etcd/snapshot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "etcd/snapshot_format.hpp"
#include "etcd/snapshot_import.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/simulation.hpp"
#include "store/open.hpp"

namespace cloudless::etcd {
namespace {

constexpr int kTransactions = 12;
constexpr int kPutsPerTransaction = 25;
constexpr int kPuts = 200;

class SnapshotFile : public ::testing::Test {
 protected:
  template <class T>
  T run(runtime::Task<T> task) {
    return runtime::run_blocking(thread_.loop(), std::move(task));
  }
  static store::PutRequest put(std::string key, size_t value_bytes, store::LeaseId lease = 0) {
    return {.key = std::move(key), .value = share(std::string(value_bytes, 'v')), .lease = lease};
  }
  // Many keys of one revision, revisions of one key, deletions, values of several pages, leases.
  void fill() {
    ASSERT_TRUE(run(store_->grant_lease(77, std::chrono::seconds(1000))));
    for (int t = 0; t < kTransactions; ++t) {
      store::TxnRequest txn;
      for (int i = 0; i < kPutsPerTransaction; ++i) {
        txn.success.emplace_back(put(fmt::format("/t/{}/{}", i, t), random_.below(900)));
      }
      ASSERT_TRUE(run(store_->txn(std::move(txn))));
      for (int i = 0; i < kPuts / kTransactions; ++i) {
        ASSERT_TRUE(
            run(store_->put(put(fmt::format("/p/{}", random_.below(kPuts)), random_.below(9000), 77))));
      }
      ASSERT_TRUE(run(store_->delete_range({.key = fmt::format("/t/0/{}", t)})));
    }
  }
  std::string sent(size_t window) {
    std::string file;
    uint64_t left = 0;
    const Result<> done = run(send_snapshot(
        *store_,
        [&](etcdserverpb::SnapshotResponse& piece) -> runtime::Task<Result<>> {
          EXPECT_LE(piece.blob().size(), 32u << 10);
          if (!file.empty()) EXPECT_EQ(piece.remaining_bytes(), left - piece.blob().size());
          left = piece.remaining_bytes();
          file += piece.blob();
          co_return Result<>();
        },
        window));
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_EQ(left, 0u);
    return file;
  }

  // It stands still: a snapshot holds what is left of the leases' time.
  runtime::ManualClock clock_;
  SeededRandom random_{7};
  runtime::LoopThread thread_{"snapshot-test"};
  const std::unique_ptr<store::Store> store_ =
      std::move(*store::open_store({.endpoint = "memory://"}, clock_, random_, Logger()));
};

// However few pairs are held at a time, fewer than one transaction has: the same file.
TEST_F(SnapshotFile, IsTheSameHoweverLittleOfItIsHeldAtATime) {
  fill();
  const std::string whole = sent(kSnapshotWindow);
  for (const size_t window : {1u, 7u, 25u, 26u, 100u}) EXPECT_TRUE(sent(window) == whole) << window;
}

TEST_F(SnapshotFile, HoldsWhatTheStoreHolds) {
  fill();
  const std::string file = sent(7);
  const auto contents = read_snapshot(bolt::source_of(file));
  ASSERT_TRUE(contents) << contents.error().message;
  const std::string all(1, '\0');
  const auto range = run(store_->range({.key = all, .range_end = all}));
  ASSERT_TRUE(range);
  EXPECT_EQ(contents->revision, range->revision);
  ASSERT_EQ(contents->kvs.size(), range->kvs.size());
  for (size_t i = 0; i < range->kvs.size(); ++i) {
    const store::KeyValue& ours = range->kvs[i];
    const store::KeyValue& read = contents->kvs[i];
    EXPECT_EQ(read.key, ours.key);
    EXPECT_EQ(view(read.value), view(ours.value)) << ours.key;
    EXPECT_EQ(std::tie(read.create_revision, read.mod_revision, read.version, read.lease),
              std::tie(ours.create_revision, ours.mod_revision, ours.version, ours.lease));
  }
  ASSERT_EQ(contents->leases.size(), 1u);
  EXPECT_EQ(contents->leases[0].id, 77);
}

// The revisions of one transaction are told apart by numbers from 0 on.
TEST_F(SnapshotFile, NumbersTheChangesOfARevision) {
  fill();
  std::string file = sent(7);
  file.resize(file.size() - snapshot::kChecksumBytes);
  const auto reader = bolt::Reader::open(bolt::source_of(file));
  ASSERT_TRUE(reader);
  std::string before;
  ASSERT_TRUE(reader->visit("key", [&](std::string_view key, std::string_view) -> Result<> {
    EXPECT_LT(before, key);
    const bool same_revision = before.substr(0, 8) == key.substr(0, 8);
    const uint64_t sub = snapshot::from_big_endian(key.substr(9));
    EXPECT_EQ(sub, same_revision ? snapshot::from_big_endian(before.substr(9)) + 1 : 0);
    before = key;
    return {};
  }));
}

TEST_F(SnapshotFile, OfAnEmptyStoreIsAFileToo) {
  const auto contents = read_snapshot(bolt::source_of(sent(kSnapshotWindow)));
  ASSERT_TRUE(contents) << contents.error().message;
  EXPECT_EQ(contents->revision, 1);
  EXPECT_THAT(contents->kvs, ::testing::IsEmpty());
}

}  // namespace
}  // namespace cloudless::etcd
