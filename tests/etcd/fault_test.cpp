// Faults as a gRPC client meets them: a full disk, a read-only file system, a damaged or locked database,
// PostgreSQL gone and back. Each has a clear error, loses nothing acknowledged, and heals without a restart.
#include <sys/mount.h>
#include <unistd.h>

#include <map>

#include "etcd/kv_client.hpp"
#include "etcd/served_store.hpp"
#include "store/testing/postgres_server.hpp"

namespace cloudless::etcd::testing {
namespace {

using ::testing::HasSubstr;

// A file system of its own, of a few megabytes. Making one needs root.
class SmallDisk : public ::testing::Test {
 protected:
  static constexpr size_t kBytes = 8 << 20;

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    const std::string size = fmt::format("size={}", kBytes);
    ASSERT_EQ(::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, size.c_str()), 0);
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
  }
  void remount(unsigned long flags) {
    ASSERT_EQ(::mount("", dir_.path().c_str(), "", MS_REMOUNT | flags, nullptr), 0);
  }
  void enlarge() {
    ASSERT_EQ(::mount("", dir_.path().c_str(), "", MS_REMOUNT, fmt::format("size={}", 4 * kBytes).c_str()),
              0);
  }
  store::Options options() const { return {.endpoint = "sqlite://" + dir_ / "state.db"}; }

 private:
  const cloudless::testing::TempDir dir_;
  bool mounted_ = false;
};

TEST_F(SmallDisk, WhenFullRefusesWritesKeepsWhatItAcknowledgedAndHeals) {
  int acknowledged = 0;
  // Does not compress.
  SeededRandom random(1);
  const auto value = [&](int i) {
    std::string bytes = fmt::format("{}:", i);
    while (bytes.size() < 60'000) bytes.push_back(static_cast<char>('!' + random.below(90)));
    return bytes;
  };
  std::map<int, std::string> values;
  {
    const ServedStore served(options());
    KvClient client(served.endpoint());
    grpc::Status status;
    for (; acknowledged < 1000; ++acknowledged) {
      values[acknowledged] = value(acknowledged);
      status = client.put(fmt::format("/{}", acknowledged), values[acknowledged]);
      if (!status.ok()) break;
    }
    ASSERT_LT(acknowledged, 1000);
    ASSERT_GT(acknowledged, 20);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr("No space left on device"));
    EXPECT_EQ(client.get("/0"), values[0]);
    EXPECT_EQ(client.get(fmt::format("/{}", acknowledged)), "(none)");
    // More room: it goes on by itself.
    ASSERT_NO_FATAL_FAILURE(enlarge());
    ASSERT_TRUE(eventually([&] { return client.put("/after", "1").ok(); }));
  }
  const ServedStore again(options());
  KvClient client(again.endpoint());
  for (int i = 0; i < acknowledged; ++i) ASSERT_EQ(client.get(fmt::format("/{}", i)), values[i]) << i;
  EXPECT_EQ(client.get("/after"), "1");
}

TEST_F(SmallDisk, WhenReadOnlyIsNamedAtTheStart) {
  {
    const ServedStore served(options());
    ASSERT_TRUE(KvClient(served.endpoint()).put("/a", "1").ok());
  }
  ASSERT_NO_FATAL_FAILURE(remount(MS_RDONLY));
  try {
    const ServedStore served(options());
    ADD_FAILURE() << "it has started";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), ::testing::ContainsRegex("Read-only file system|readonly"));
  }
  ASSERT_NO_FATAL_FAILURE(remount(0));
  const ServedStore served(options());
  EXPECT_EQ(KvClient(served.endpoint()).get("/a"), "1");
}

TEST(Postgres, GoneAndBackIsAnErrorAndThenNoMore) {
  store::testing::PostgresServer server;
  const ServedStore served({.endpoint = server.new_database()});
  KvClient client(served.endpoint());
  ASSERT_TRUE(client.put("/a", "before").ok());
  server.crash();
  const grpc::Status refused = client.put("/a", "during");
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), HasSubstr("PostgreSQL"));
  EXPECT_EQ(client.get("/a", true), "before");
  server.start();
  ASSERT_TRUE(eventually([&] { return client.put("/b", "after").ok(); }));
  EXPECT_EQ(client.get("/a"), "before");
  EXPECT_EQ(client.get("/b"), "after");
}

}  // namespace
}  // namespace cloudless::etcd::testing
