// Calls that no proper client makes, beside Debian's etcd: the same codes, the same words. Where a version of
// Go's gRPC that is newer than that etcd's says something else (malformed paths, content-types and timeouts),
// src/grpc/server_test.cpp has it.
#include "etcd/served_store.hpp"
#include "grpc/message.hpp"
#include "grpc/testing/raw_client.hpp"

namespace cloudless::etcd::testing {
namespace {

using grpc::testing::RawClient;

std::string framed(std::string_view message, char format = 0) {
  std::string bytes(grpc::kPrefixBytes, '\0');
  grpc::put_prefix(bytes.data(), message.size());
  bytes[0] = format;
  return bytes.append(message);
}

uint16_t port_of(const std::string& endpoint) {
  return static_cast<uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

TEST(Refusal, CallsThatAreNoneAreRefusedInTheSameWords) {
  const ServedStore served;
  const RealEtcd etcd;
  struct Case {
    std::string path;
    std::string body;
    grpc::testing::RawFields fields;
  };
  const std::string range = "/etcdserverpb.KV/Range";
  const std::string watch = "/etcdserverpb.Watch/Watch";
  const std::string key("\x0a\x01k");
  const std::vector<Case> cases = {
      {range, framed(key), {}},
      {range, framed(key), {{"content-type", "application/grpc+proto"}}},
      {range, framed(key), {{"grpc-timeout", "1H"}}},
      {range, framed(key), {{"grpc-timeout", "99999999H"}}},
      {range, framed(key), {{"grpc-encoding", "identity"}}},
      {"/etcdserverpb.KV/None", framed(key), {}},
      {"/etcdserverpb.KV/", framed(key), {}},
      {"/none.None/Range", framed(key), {}},
      {"/a/b/c", framed(key), {}},
      {range, "", {}},
      {range, framed("").substr(0, 3), {}},
      {range, framed(key).substr(0, 5), {}},
      {range, framed(key).substr(0, 6), {}},
      {watch, framed(key).substr(0, 3), {}},
      {range, framed(key, 1), {}},
      {range, framed(key, 1), {{"grpc-encoding", "identity"}}},
      {range, framed(key, 1), {{"grpc-encoding", "snappy"}}},
      {range, framed(key), {{"grpc-encoding", "snappy"}}},
      {watch, framed(key), {{"grpc-encoding", "snappy"}}},
      {range, framed(key, 7), {}},
      {watch, framed(key, 1), {}},
  };
  RawClient ours(port_of(served.endpoint()));
  RawClient theirs(port_of(etcd.endpoint()));
  const auto answer = [](RawClient& client, const Case& wanted) {
    const int32_t stream = client.begin(wanted.path, wanted.fields);
    client.send(stream, wanted.body);
    client.end(stream);
    return client.answer(stream);
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto mine = answer(ours, cases[i]);
    const auto real = answer(theirs, cases[i]);
    EXPECT_EQ(mine.status(), real.status()) << i;
    EXPECT_EQ(mine.text(), real.text()) << i << " " << cases[i].path;
  }
}

// curl goes on sending until it is told to stop.
TEST(Refusal, AnUploadThatIsRefusedEnds) {
  const ServedStore served;
  const TempDir dir;
  constexpr int kTimedOut = 28;  // as curl says it
  cloudless::testing::write_file(dir / "body", framed(std::string(20 << 20, 'x')));
  for (const char* path : {"/etcdserverpb.KV/Put", "/etcdserverpb.KV/None"}) {
    const CommandResult result = cloudless::testing::run_command(
        {"curl", "-s", "-S", "--max-time", "30", "--http2-prior-knowledge", "-o", dir / "answer", "-H",
         "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@" + (dir / "body"),
         "http://" + served.endpoint() + path});
    EXPECT_NE(result.exit_code, kTimedOut) << path << ": " << result.output;
  }
}

}  // namespace
}  // namespace cloudless::etcd::testing
