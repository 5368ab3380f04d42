// The Watch service over gRPC: what a stream says, response by response.
#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "etcd/rpc.grpc.pb.h"
#include "etcd/served_store.hpp"

namespace cloudless::etcd::testing {
namespace {

namespace pb = ::etcdserverpb;

constexpr std::chrono::seconds kPatience{20};
// The largest message that a Go client takes unless it is told otherwise, less some room for its envelope.
constexpr size_t kMessageBytes = (3 << 19) + (64 << 10);

pb::WatchRequest create(const std::string& key, int64_t start_revision = 0) {
  pb::WatchRequest request;
  request.mutable_create_request()->set_key(key);
  request.mutable_create_request()->set_start_revision(start_revision);
  return request;
}
pb::WatchRequest cancel(int64_t id) {
  pb::WatchRequest request;
  request.mutable_cancel_request()->set_watch_id(id);
  return request;
}
pb::WatchRequest ask_for_progress() {
  pb::WatchRequest request;
  request.mutable_progress_request();
  return request;
}

class WatchStreamTest : public ::testing::Test {
 protected:
  // Responses come within kPatience or the stream ends.
  class Stream {
   public:
    explicit Stream(pb::Watch::Stub& stub) {
      context_.set_deadline(std::chrono::system_clock::now() + kPatience);
      stream_ = stub.Watch(&context_);
    }
    ~Stream() {
      context_.TryCancel();
      stream_->Finish();
    }
    void send(const pb::WatchRequest& request) { EXPECT_TRUE(stream_->Write(request)); }
    pb::WatchResponse receive() {
      pb::WatchResponse response;
      EXPECT_TRUE(stream_->Read(&response)) << "the stream has ended";
      return response;
    }
    /// Creates a watch and returns its id.
    int64_t watch(const pb::WatchRequest& request) {
      send(request);
      const pb::WatchResponse response = receive();
      EXPECT_TRUE(response.created());
      EXPECT_FALSE(response.canceled()) << response.cancel_reason();
      return response.watch_id();
    }

   private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReaderWriter<pb::WatchRequest, pb::WatchResponse>> stream_;
  };

  explicit WatchStreamTest(ServerOptions options = {})
      : served_({.endpoint = "memory://"}, std::move(options)) {}

  void put(const std::string& key, std::string value) {
    ASSERT_TRUE(runtime::run_blocking(served_.loop(),
                                      served_.store().put({.key = key, .value = share(std::move(value))})));
  }

  ServedStore served_;
  std::unique_ptr<pb::Watch::Stub> stub_ =
      pb::Watch::NewStub(grpc::CreateChannel(served_.endpoint(), grpc::InsecureChannelCredentials()));
};

TEST_F(WatchStreamTest, WhoAsksForFragmentsGetsMessagesOfBoundedSize) {
  constexpr int kEvents = 6;
  for (int i = 0; i < kEvents; ++i) put("/big", std::string(700 << 10, 'x'));
  pb::WatchRequest request = create("/big", 2);
  request.mutable_create_request()->set_fragment(true);
  Stream stream(*stub_);
  stream.watch(request);
  int events = 0;
  int fragments = 0;
  bool more_of_this_batch = false;
  while (events < kEvents) {
    const pb::WatchResponse response = stream.receive();
    ASSERT_GT(response.events_size(), 0);
    EXPECT_LT(response.ByteSizeLong(), kMessageBytes);
    for (const auto& event : response.events()) EXPECT_EQ(event.kv().mod_revision(), 2 + events++);
    more_of_this_batch = response.fragment();
    fragments += response.fragment();
  }
  EXPECT_GT(fragments, 0);
  EXPECT_FALSE(more_of_this_batch);
}

TEST_F(WatchStreamTest, WhoDoesNotAskGetsNoFragments) {
  for (int i = 0; i < 4; ++i) put("/big", std::string(700 << 10, 'x'));
  Stream stream(*stub_);
  stream.watch(create("/big", 2));
  for (int events = 0; events < 4;) {
    const pb::WatchResponse response = stream.receive();
    ASSERT_GT(response.events_size(), 0);
    EXPECT_FALSE(response.fragment());
    events += response.events_size();
  }
}

TEST_F(WatchStreamTest, WatchesOfOneStreamHaveTheirOwnIdsAndEnds) {
  Stream stream(*stub_);
  const int64_t a = stream.watch(create("/a"));
  pb::WatchRequest chosen = create("/b");
  chosen.mutable_create_request()->set_watch_id(77);
  EXPECT_EQ(stream.watch(chosen), 77);
  EXPECT_NE(a, 77);
  stream.send(chosen);
  const pb::WatchResponse refused = stream.receive();
  EXPECT_TRUE(refused.canceled());
  EXPECT_EQ(refused.watch_id(), -1);
  EXPECT_EQ(refused.cancel_reason(), "mvcc: duplicate watch ID provided on the WatchStream");

  put("/b", "1");
  EXPECT_EQ(stream.receive().watch_id(), 77);
  stream.send(cancel(12345));  // nobody's: passed over
  stream.send(cancel(77));
  const pb::WatchResponse ended = stream.receive();
  EXPECT_TRUE(ended.canceled());
  EXPECT_EQ(ended.watch_id(), 77);
  put("/b", "2");
  put("/a", "1");
  const pb::WatchResponse next = stream.receive();
  EXPECT_EQ(next.watch_id(), a);
  EXPECT_EQ(next.events(0).kv().key(), "/a");
  EXPECT_EQ(next.header().revision(), 4);
}

TEST_F(WatchStreamTest, ACompactedStartIsCancelledWithTheOldestRevisionThatIsLeft) {
  for (int i = 0; i < 6; ++i) put("/a", "x");
  ASSERT_TRUE(runtime::run_blocking(served_.loop(), served_.store().compact(5, false)));
  Stream stream(*stub_);
  stream.send(create("/a", 3));
  const pb::WatchResponse created = stream.receive();
  EXPECT_TRUE(created.created());
  const pb::WatchResponse response = stream.receive();
  EXPECT_TRUE(response.canceled());
  EXPECT_EQ(response.watch_id(), created.watch_id());
  EXPECT_EQ(response.compact_revision(), 5);
  // The stream goes on.
  EXPECT_GE(stream.watch(create("/a", response.compact_revision())), 0);
  EXPECT_EQ(stream.receive().events(0).kv().mod_revision(), 5);
}

TEST_F(WatchStreamTest, ProgressAskedForSpeaksForAllWatches) {
  Stream stream(*stub_);
  stream.send(ask_for_progress());
  EXPECT_EQ(stream.receive().watch_id(), -1);
  stream.watch(create("/a"));
  stream.watch(create("/b"));
  put("/other", "1");
  stream.send(ask_for_progress());
  const pb::WatchResponse progress = stream.receive();
  EXPECT_EQ(progress.watch_id(), -1);
  EXPECT_EQ(progress.events_size(), 0);
  EXPECT_EQ(progress.header().revision(), 2);
}

TEST_F(WatchStreamTest, ProgressIsNotReportedBeforeTheEventsThatItCovers) {
  Stream stream(*stub_);
  stream.watch(create("/a"));
  constexpr int kPuts = 200;
  for (int i = 0; i < kPuts; ++i) put("/a", std::to_string(i));
  stream.send(ask_for_progress());
  int64_t seen = 1;
  for (;;) {
    const pb::WatchResponse response = stream.receive();
    if (response.events_size() == 0) {
      EXPECT_LE(response.header().revision(), seen);
      break;
    }
    seen = response.events(response.events_size() - 1).kv().mod_revision();
  }
  EXPECT_EQ(seen, kPuts + 1);
}

class EagerWatchStreamTest : public WatchStreamTest {
 protected:
  EagerWatchStreamTest() : WatchStreamTest({.progress_interval = std::chrono::milliseconds(30)}) {}
};

TEST_F(EagerWatchStreamTest, AQuietWatchIsToldHowFarItIsIfItWantsToKnow) {
  Stream stream(*stub_);
  pb::WatchRequest request = create("/a");
  request.mutable_create_request()->set_progress_notify(true);
  const int64_t id = stream.watch(request);
  stream.watch(create("/b"));  // wants to know nothing
  put("/other", "1");
  for (int64_t reached = 0; reached < 2;) {
    const pb::WatchResponse progress = stream.receive();
    EXPECT_EQ(progress.watch_id(), id);
    EXPECT_EQ(progress.events_size(), 0);
    reached = progress.header().revision();
  }
}

}  // namespace
}  // namespace cloudless::etcd::testing
