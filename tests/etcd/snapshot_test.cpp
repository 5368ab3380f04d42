// Snapshots between our store and Debian's etcd, both ways.
#include "etcd/served_store.hpp"
#include "etcd/snapshot_import.hpp"

namespace cloudless::etcd::testing {
namespace {

using ::testing::HasSubstr;

class SnapshotTest : public ::testing::Test {
 protected:
  // Keys that were changed and deleted, one larger than a page, enough for several levels of pages, and a
  // lease.
  static void fill(const Etcdctl& ctl) {
    ctl({"lease", "grant", "1000"});
    const std::string listed = ctl({"lease", "list"});
    const std::string lease = listed.substr(listed.find('\n') + 1, 16);
    ctl({"put", "/leased", "1", "--lease=" + lease});
    ctl({"put", "/large", std::string(100'000, 'x')});
    std::string puts = "\n";
    for (int i = 0; i < 100; ++i) puts += fmt::format("put /s/{:03} {}\n", i, std::string(300, 'v'));
    EXPECT_THAT(ctl.with_input(puts + "\n\n", {"txn"}), HasSubstr("SUCCESS"));
    ctl({"put", "/s/007", "changed"});
    ctl({"del", "/s/008"});
  }
  // All there is, with revisions and versions.
  static std::string everything(const Etcdctl& ctl) {
    const std::string json = ctl({"get", "", "--prefix", "-w", "json"});
    const size_t pairs = json.find("\"kvs\"");
    return pairs == std::string::npos ? json : json.substr(pairs);
  }

  const cloudless::testing::TempDir dir_;
  const std::string file_ = dir_ / "snapshot.db";
};

TEST_F(SnapshotTest, OursIsRestoredByEtcd) {
  const ServedStore served;
  const Etcdctl ours(served.endpoint());
  fill(ours);
  EXPECT_THAT(ours({"snapshot", "save", file_}), HasSubstr("Snapshot saved at"));
  // It counts the items of all buckets: 101 pairs, a lease, and two that say how far the store is.
  EXPECT_THAT(ours({"snapshot", "status", file_}), HasSubstr(", 104, "));
  const RealEtcd etcd(file_);
  const Etcdctl theirs(etcd.endpoint());
  EXPECT_EQ(everything(theirs), everything(ours));
  // The leases, too, and the revision goes on from ours.
  EXPECT_EQ(theirs({"lease", "list"}), ours({"lease", "list"}));
  EXPECT_EQ(theirs({"del", "/leased"}), "1\n");
  EXPECT_THAT(theirs({"get", "/none", "-w", "json"}), HasSubstr("\"revision\":7"));
}

TEST_F(SnapshotTest, AnEmptyStoresIsRestoredToo) {
  const ServedStore served;
  Etcdctl(served.endpoint())({"snapshot", "save", file_});
  const RealEtcd etcd(file_);
  EXPECT_EQ(Etcdctl(etcd.endpoint())({"put", "/a", "1"}), "OK\n");
}

TEST_F(SnapshotTest, EtcdsIsReadWithRevisionsAndVersions) {
  const RealEtcd etcd;
  const Etcdctl theirs(etcd.endpoint());
  fill(theirs);
  theirs({"snapshot", "save", file_});
  const std::string bytes = cloudless::testing::read_file(file_);
  auto contents = read_snapshot(bolt::source_of(bytes));
  ASSERT_TRUE(contents) << contents.error().message;
  EXPECT_EQ(contents->leases.size(), 1u);
  ServedStore served;
  const auto imported =
      runtime::run_blocking(served.loop(), store::import_contents(served.store(), std::move(*contents)));
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->pairs, 101);
  EXPECT_EQ(everything(Etcdctl(served.endpoint())), everything(theirs));
}

TEST_F(SnapshotTest, ADamagedOneIsRefused) {
  const ServedStore served;
  const Etcdctl ctl(served.endpoint());
  fill(ctl);
  ctl({"snapshot", "save", file_});
  std::string bytes = cloudless::testing::read_file(file_);
  ASSERT_TRUE(read_snapshot(bolt::source_of(bytes)));
  bytes[bytes.size() / 2] ^= 1;
  EXPECT_EQ(read_snapshot(bolt::source_of(bytes)).error().code, Code::kDataLoss);
}

}  // namespace
}  // namespace cloudless::etcd::testing
