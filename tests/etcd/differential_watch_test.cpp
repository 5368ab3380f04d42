// The same requests on a watch stream of Debian's real etcd and of a served store: the same answers in the
// same order. Every field of a create request, cancellations, and requests for progress.
#include <grpcpp/grpcpp.h>

#include <limits>

#include "etcd/rpc.grpc.pb.h"
#include "etcd/served_store.hpp"
#include "etcd/wire_text.hpp"

namespace cloudless::etcd::testing {
namespace {

namespace pb = ::etcdserverpb;

constexpr std::chrono::seconds kPatience{60};
const std::string kEnded = "the stream has ended";

class Stream {
 public:
  explicit Stream(const std::string& endpoint)
      : channel_(grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials())),
        kv_(pb::KV::NewStub(channel_)),
        watch_(pb::Watch::NewStub(channel_)) {
    context_.set_deadline(std::chrono::system_clock::now() + kPatience);
    stream_ = watch_->Watch(&context_);
  }
  ~Stream() {
    context_.TryCancel();
    stream_->Finish();
  }

  void send(const pb::WatchRequest& request) { stream_->Write(request); }
  /// The next answer as text, without what names the server.
  std::string next() {
    pb::WatchResponse response;
    if (!stream_->Read(&response)) return kEnded;
    response.mutable_header()->clear_cluster_id();
    response.mutable_header()->clear_member_id();
    response.mutable_header()->clear_raft_term();
    return wire_text(response.SerializeAsString());
  }
  void put(const std::string& key, const std::string& value) {
    pb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    pb::PutResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(kv_->Put(&context, request, &response).ok());
  }
  void remove(const std::string& key) {
    pb::DeleteRangeRequest request;
    request.set_key(key);
    pb::DeleteRangeResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(kv_->DeleteRange(&context, request, &response).ok());
  }
  void compact(int64_t revision) {
    pb::CompactionRequest request;
    request.set_revision(revision);
    pb::CompactionResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(kv_->Compact(&context, request, &response).ok());
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::KV::Stub> kv_;
  std::unique_ptr<pb::Watch::Stub> watch_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<pb::WatchRequest, pb::WatchResponse>> stream_;
};

class DifferentialWatch : public ::testing::Test {
 protected:
  void put(const std::string& key, const std::string& value) {
    ours_.put(key, value);
    theirs_.put(key, value);
  }
  void remove(const std::string& key) {
    ours_.remove(key);
    theirs_.remove(key);
  }
  void compact(int64_t revision) {
    ours_.compact(revision);
    theirs_.compact(revision);
  }
  void send(const pb::WatchRequest& request) {
    ours_.send(request);
    theirs_.send(request);
  }
  pb::WatchCreateRequest& create(const std::string& key) {
    request_.Clear();
    request_.mutable_create_request()->set_key(key);
    return *request_.mutable_create_request();
  }
  void send_created() { send(request_); }
  void cancel(int64_t id) {
    pb::WatchRequest request;
    request.mutable_cancel_request()->set_watch_id(id);
    send(request);
  }
  void ask_for_progress() {
    pb::WatchRequest request;
    request.mutable_progress_request();
    send(request);
  }
  // The next `count` answers are the same.
  void same(int count, const char* of_what) {
    for (int i = 0; i < count; ++i) {
      const std::string expected = theirs_.next();
      ASSERT_NE(expected, kEnded) << of_what;
      ASSERT_EQ(ours_.next(), expected) << of_what << ", answer " << i;
    }
  }

  ServedStore served_;
  RealEtcd etcd_;
  Stream ours_{served_.endpoint()};
  Stream theirs_{etcd_.endpoint()};
  pb::WatchRequest request_;
};

TEST_F(DifferentialWatch, IdsAreGivenTakenAndFreed) {
  create("a");
  send_created();
  same(1, "the first watch");
  create("b").set_watch_id(7);
  send_created();
  same(1, "a watch with an id");
  create("c").set_watch_id(7);
  send_created();
  same(1, "an id that is taken");
  create("d");
  send_created();
  same(1, "the next id");
  cancel(7);
  same(1, "a cancellation");
  create("e").set_watch_id(7);
  send_created();
  same(1, "an id that was freed");
  put("a", "1");
  same(1, "an event");
  put("e", "2");
  same(1, "an event of the second life of an id");
}

TEST_F(DifferentialWatch, EventsOfEveryKindAndFilter) {
  put("k", "0");
  pb::WatchCreateRequest& all = create("k");
  all.set_prev_kv(true);
  all.set_fragment(true);
  all.set_progress_notify(true);
  send_created();
  same(1, "a watch with everything");
  put("k", "1");
  same(1, "a put with what was before");
  remove("k");
  same(1, "a deletion with what was before");
  cancel(0);
  same(1, "its cancellation");

  create("k").add_filters(pb::WatchCreateRequest::NOPUT);
  send_created();
  same(1, "a watch without puts");
  put("k", "2");
  remove("k");
  same(1, "the deletion alone");
  cancel(1);
  same(1, "its cancellation");

  pb::WatchCreateRequest& neither = create("k");
  neither.add_filters(pb::WatchCreateRequest::NOPUT);
  neither.add_filters(pb::WatchCreateRequest::NODELETE);
  send_created();
  create("l");
  send_created();
  same(2, "a watch of nothing, and another");
  put("k", "3");
  put("l", "1");
  same(1, "the other's event");
}

TEST_F(DifferentialWatch, RevisionsOfThePastThePresentAndTheFuture) {
  for (int i = 0; i < 5; ++i) put("k", std::to_string(i));
  compact(4);
  create("k").set_start_revision(2);
  send_created();
  same(2, "a revision that is compacted");
  create("k").set_start_revision(5);
  send_created();
  same(1, "a revision of the past");
  same(1, "its events");
  cancel(1);
  same(1, "its cancellation");
  create("k").set_start_revision(9);
  send_created();
  same(1, "a revision to come");
  put("k", "not yet");
  put("k", "nor now");
  put("k", "now");
  same(1, "the first event that is wanted");
  create("k").set_start_revision(-1);
  send_created();
  same(1, "a negative revision");
}

TEST_F(DifferentialWatch, RangesThatAreEmptyOrOpen) {
  create("b").set_range_end("a");
  send_created();
  same(1, "a range that ends before it begins");
  create("m").set_range_end(std::string(1, '\0'));
  send_created();
  same(1, "everything from a key on");
  pb::WatchCreateRequest& everything = create(std::string());
  everything.set_range_end(std::string(1, '\0'));
  everything.set_watch_id(5);
  send_created();
  same(1, "everything");
  cancel(5);
  same(1, "its cancellation");
  put("a", "not in the range");
  put("z", "in the range");
  same(1, "the event in the range");
}

TEST_F(DifferentialWatch, RequestsWithoutAWatchAndWithoutAName) {
  ask_for_progress();
  cancel(0);
  cancel(-1);
  send(pb::WatchRequest());
  create("a");
  send_created();
  same(1, "a watch after what speaks of none");
  cancel(99);
  create("b").set_watch_id(-3);
  send_created();
  same(1, "a negative id");
  create("c").add_filters(static_cast<pb::WatchCreateRequest::FilterType>(9));
  send_created();
  same(1, "a filter without a name");
  put("c", "1");
  same(1, "its event");
  cancel(0);
  same(1, "a cancellation");
  cancel(0);
  create("d").set_watch_id(std::numeric_limits<int64_t>::max());
  send_created();
  same(1, "the largest id");
  create("e").set_start_revision(std::numeric_limits<int64_t>::max());
  send_created();
  same(1, "the last revision of all");
}

TEST_F(DifferentialWatch, ProgressIsOfTheWholeStream) {
  put("k", "1");
  create("k");
  send_created();
  same(1, "a watch");
  ask_for_progress();
  same(1, "progress");
  put("elsewhere", "1");
  ask_for_progress();
  same(1, "progress without events");
}

}  // namespace
}  // namespace cloudless::etcd::testing
