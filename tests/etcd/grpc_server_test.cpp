// The server's gRPC as gRPC's own C++ client meets it: what goes wrong, what is large, what is many, and the
// end.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <future>
#include <thread>

#include "etcd/health.grpc.pb.h"
#include "etcd/rpc.grpc.pb.h"
#include "served_store.hpp"

namespace cloudless::etcd::testing {
namespace {

namespace pb = ::etcdserverpb;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kLimit{30};

class GrpcServer : public ::testing::Test {
 protected:
  static std::unique_ptr<grpc::ClientContext> context() {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + kLimit);
    return context;
  }
  grpc::Status put(const std::string& key, const std::string& value) {
    pb::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    pb::PutResponse response;
    return kv_->Put(context().get(), request, &response);
  }
  // Any method with any bytes.
  grpc::Status call(const std::string& method, const std::string& bytes) {
    grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::GenericStub stub(channel_);
    std::promise<grpc::Status> done;
    const auto with = context();
    grpc::ByteBuffer response;
    stub.UnaryCall(with.get(), method, {}, &request, &response,
                   [&done](grpc::Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }
  std::shared_ptr<grpc::Channel> connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(-1);
    return grpc::CreateCustomChannel(served_->endpoint(), grpc::InsecureChannelCredentials(), arguments);
  }

  std::unique_ptr<ServedStore> served_ = std::make_unique<ServedStore>();
  std::shared_ptr<grpc::Channel> channel_ = connect();
  std::unique_ptr<pb::KV::Stub> kv_ = pb::KV::NewStub(channel_);
};

TEST_F(GrpcServer, RefusesWhatItDoesNotKnow) {
  const grpc::Status unknown = call("/etcdserverpb.KV/Guess", "");
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(unknown.error_message(), "unknown method Guess for service etcdserverpb.KV");
  EXPECT_EQ(call("/etcdserverpb.KV/Put", "\xff\xff\xff").error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(put("", "x").error_message(), "etcdserver: key is not provided");
  // The connection is as good as before.
  EXPECT_TRUE(put("k", "v").ok());
}

TEST_F(GrpcServer, RefusesAMessageBeyondItsLimitAndGoesOn) {
  const grpc::Status status = put("k", std::string(kMaxRequestBytes, 'x'));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("received message larger than max"));
  EXPECT_TRUE(put("k", "v").ok());
}

TEST_F(GrpcServer, LargeMessagesPassBothWays) {
  const std::string value(1 << 20, 'v');
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(put(fmt::format("/large/{}", i), value).ok());
  pb::RangeRequest request;
  request.set_key("/large/");
  request.set_range_end("/large0");
  pb::RangeResponse response;
  ASSERT_TRUE(kv_->Range(context().get(), request, &response).ok());
  ASSERT_EQ(response.kvs_size(), 12);
  EXPECT_EQ(response.kvs(11).value(), value);
}

TEST_F(GrpcServer, ManyCallersShareAConnection) {
  constexpr int kCallers = 16;
  constexpr int kCalls = 50;
  std::atomic<int> succeeded{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      for (int n = 0; n < kCalls; ++n) succeeded += put(fmt::format("/{}/{}", i, n), "v").ok();
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(succeeded, kCallers * kCalls);
}

TEST_F(GrpcServer, AnswersHealthChecksOfTheWholeServer) {
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(health->Check(context().get(), request, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  const auto with = context();
  const auto watch = health->Watch(with.get(), request);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  with->TryCancel();
  request.set_service("other");
  EXPECT_EQ(health->Check(context().get(), request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcServer, AnswersHealthAndVersionOverPlainHttp) {
  const auto get = [this](const std::string& path) {
    return cloudless::testing::run_command({"curl", "-s", "http://" + served_->endpoint() + path}).output;
  };
  EXPECT_EQ(get("/health"), R"({"health":"true","reason":""})");
  EXPECT_EQ(get("/version"), R"({"etcdserver":"3.6.4","etcdcluster":"3.6.0"})");
}

// A client that takes nothing holds up neither writers nor other watchers, and misses nothing.
TEST_F(GrpcServer, AWatcherThatDoesNotReadHoldsUpNobody) {
  constexpr int kEvents = 300;
  const auto stub = pb::Watch::NewStub(connect());
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("/w");
  pb::WatchResponse response;
  const auto with = context();
  const auto stream = stub->Watch(with.get());
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  const std::string value(64 << 10, 'v');
  for (int i = 0; i < kEvents; ++i) ASSERT_TRUE(put("/w", value + std::to_string(i)).ok());
  int seen = 0;
  while (seen < kEvents && stream->Read(&response)) {
    for (const auto& event : response.events()) {
      EXPECT_EQ(event.kv().value(), value + std::to_string(seen));
      ++seen;
    }
  }
  EXPECT_EQ(seen, kEvents);
  with->TryCancel();
}

// clientv3 takes any other code for the end of its watch.
TEST_F(GrpcServer, AStoppingServerTellsWatchersToComeBack) {
  const auto stub = pb::Watch::NewStub(connect());
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("/w");
  pb::WatchResponse response;
  const auto with = context();
  const auto stream = stub->Watch(with.get());
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  served_.reset();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace cloudless::etcd::testing
