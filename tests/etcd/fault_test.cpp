// Faults as a gRPC client meets them: a full disk, a read-only file system, a damaged or locked database,
// PostgreSQL gone and back. Each has a clear error, loses nothing acknowledged, and heals without a restart.
#include <grpcpp/grpcpp.h>
#include <sys/mount.h>
#include <unistd.h>

#include <map>

#include "etcd/rpc.grpc.pb.h"
#include "etcd/served_store.hpp"
#include "store/testing/postgres_server.hpp"

namespace cloudless::etcd::testing {
namespace {

namespace pb = ::etcdserverpb;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

class Client {
 public:
  explicit Client(const ServedStore& served)
      : kv_(pb::KV::NewStub(grpc::CreateChannel(served.endpoint(), grpc::InsecureChannelCredentials()))) {}

  grpc::Status put(const std::string& key, const std::string& value) {
    pb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    pb::PutResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    return kv_->Put(&context, request, &response);
  }
  /// The value, or the error.
  std::string get(const std::string& key, bool serializable = false) {
    pb::RangeRequest request;
    request.set_key(key);
    request.set_serializable(serializable);
    pb::RangeResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    const grpc::Status status = kv_->Range(&context, request, &response);
    if (!status.ok()) return "error: " + status.error_message();
    return response.kvs_size() == 1 ? response.kvs(0).value() : "(none)";
  }

 private:
  std::unique_ptr<pb::KV::Stub> kv_;
};

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
    Client client(served);
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
  Client client(again);
  for (int i = 0; i < acknowledged; ++i) ASSERT_EQ(client.get(fmt::format("/{}", i)), values[i]) << i;
  EXPECT_EQ(client.get("/after"), "1");
}

TEST_F(SmallDisk, WhenReadOnlyIsNamedAtTheStart) {
  {
    ASSERT_TRUE(Client(ServedStore(options())).put("/a", "1").ok());
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
  EXPECT_EQ(Client(served).get("/a"), "1");
}

TEST(Postgres, GoneAndBackIsAnErrorAndThenNoMore) {
  store::testing::PostgresServer server;
  const ServedStore served({.endpoint = server.new_database()});
  Client client(served);
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
