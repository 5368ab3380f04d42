// What a gRPC client meets beside the calls that work: certificates, health, bytes that are no request,
// requests that are too large, authentication that is off, and ranges as streams.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "etcd/rpc.grpc.pb.h"
#include "etcd/served_store.hpp"
#include "pki/certificate.hpp"

namespace cloudless::etcd::testing {
namespace {

namespace pb = ::etcdserverpb;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};
// A handshake that is refused is tried again by gRPC until then.
constexpr std::chrono::milliseconds kRefusalPatience{800};

std::shared_ptr<grpc::Channel> plain(const std::string& endpoint) {
  return grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials());
}

struct Answer {
  grpc::Status status;
  std::string bytes;
};

/// Calls any method with any bytes.
Answer call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
            const std::string& bytes, std::chrono::milliseconds patience = kPatience) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + patience);
  grpc::CompletionQueue queue;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  const auto reader = stub.PrepareUnaryCall(&context, method, request, &queue);
  reader->StartCall();
  Answer answer;
  grpc::ByteBuffer response;
  reader->Finish(&response, &answer.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  std::vector<grpc::Slice> slices;
  if (answer.status.ok() && response.Dump(&slices).ok()) {
    for (const grpc::Slice& piece : slices) {
      answer.bytes.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
    }
  }
  return answer;
}

TEST(Wire, HealthSaysServing) {
  const ServedStore served;
  const Answer answer = call(plain(served.endpoint()), "/grpc.health.v1.Health/Check", "");
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.bytes, "\x08\x01");  // HealthCheckResponse{status: SERVING}
}

TEST(Wire, BytesThatAreNoRequestAreRefusedAndTheServerGoesOn) {
  ServedStore served;
  const RealEtcd etcd;
  const auto ours = plain(served.endpoint());
  const auto theirs = plain(etcd.endpoint());
  const std::string garbage("\x0a\xff\xff\xff\xff\x0f garbage", 14);
  for (const char* method : {"/etcdserverpb.KV/Range", "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Txn",
                             "/etcdserverpb.Lease/LeaseGrant", "/etcdserverpb.Maintenance/Status"}) {
    const Answer answer = call(ours, method, garbage);
    EXPECT_EQ(answer.status.error_code(), call(theirs, method, garbage).status.error_code())
        << method << ": " << answer.status.error_message();
    EXPECT_FALSE(answer.status.ok()) << method;
  }
  EXPECT_EQ(call(ours, "/etcdserverpb.KV/None", "").status.error_code(),
            call(theirs, "/etcdserverpb.KV/None", "").status.error_code());
  EXPECT_TRUE(call(ours, "/etcdserverpb.Maintenance/Status", "").status.ok());
}

TEST(Wire, AMessageBeyondTheLimitIsRefusedAndNothingOfItIsStored) {
  ServedStore served;
  const RealEtcd etcd;
  pb::PutRequest put;
  put.set_key("/big");
  put.set_value(std::string(3 << 20, 'x'));
  const std::string bytes = put.SerializeAsString();
  const auto ours = plain(served.endpoint());
  const Answer answer = call(ours, "/etcdserverpb.KV/Put", bytes);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(answer.status.error_code(),
            call(plain(etcd.endpoint()), "/etcdserverpb.KV/Put", bytes).status.error_code());
  EXPECT_EQ(runtime::run_blocking(served.loop(), served.store().status())->revision, 1);
  EXPECT_TRUE(call(ours, "/etcdserverpb.Maintenance/Status", "").status.ok());
}

TEST(Wire, TransactionsInTransactionsWithoutEndAreRefused) {
  const ServedStore served;
  pb::TxnRequest txn;
  for (int depth = 0; depth < 90; ++depth) {
    pb::TxnRequest outer;
    outer.add_success()->mutable_request_txn()->Swap(&txn);
    txn.Swap(&outer);
  }
  const Answer answer = call(plain(served.endpoint()), "/etcdserverpb.KV/Txn", txn.SerializeAsString());
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(Wire, PasswordsAreAnsweredAsByAnEtcdWithoutAuthentication) {
  const ServedStore served;
  const RealEtcd etcd;
  for (const auto& endpoint : {etcd.endpoint(), served.endpoint()}) {
    const Etcdctl with_password(endpoint, {"--user=root:secret"});
    // Before it etcdctl may warn that there is nobody to log in to.
    EXPECT_THAT(with_password({"put", "/a", "1"}), ::testing::EndsWith("OK\n")) << endpoint;
    const Etcdctl ctl(endpoint);
    EXPECT_THAT(ctl.run({"auth", "enable"}).output, HasSubstr("etcdserver: root user does not exist"));
  }
}

TEST(Wire, ARangeStreamSaysWhatARangeSays) {
  ServedStore served;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(runtime::run_blocking(
        served.loop(), served.store().put({.key = fmt::format("/r/{:03}", i),
                                           .value = share(std::string(static_cast<size_t>(i) * 50, 'x'))})));
  }
  const auto stub = pb::KV::NewStub(plain(served.endpoint()));
  for (const int64_t limit : {0, 1, 10, 11, 299, 300, 1000}) {
    pb::RangeRequest request;
    request.set_key("/r/");
    request.set_range_end("/r0");
    request.set_limit(limit);
    pb::RangeResponse whole;
    grpc::ClientContext unary;
    ASSERT_TRUE(stub->Range(&unary, request, &whole).ok());
    grpc::ClientContext context;
    const auto stream = stub->RangeStream(&context, request);
    pb::RangeResponse merged;
    pb::RangeStreamResponse part;
    while (stream->Read(&part)) merged.MergeFrom(part.range_response());
    ASSERT_TRUE(stream->Finish().ok());
    EXPECT_EQ(merged.SerializeAsString(), whole.SerializeAsString()) << "limit " << limit;
  }
  pb::RangeRequest future;
  future.set_key("/r/");
  future.set_revision(9999);
  grpc::ClientContext context;
  const auto stream = stub->RangeStream(&context, future);
  pb::RangeStreamResponse part;
  EXPECT_FALSE(stream->Read(&part));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(status.error_message(), "etcdserver: mvcc: required revision is a future revision");
}

// etcd 3.4 ends itself over these; later ones answer so.
TEST(Wire, SortOptionsWithoutANameAreRefused) {
  const ServedStore served;
  const auto stub = pb::KV::NewStub(plain(served.endpoint()));
  for (const int unknown : {-1, 7, 99}) {
    for (const bool order : {true, false}) {
      pb::RangeRequest request;
      request.set_key("/a");
      if (order) request.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(unknown));
      if (!order) request.set_sort_target(static_cast<pb::RangeRequest::SortTarget>(unknown));
      grpc::ClientContext context;
      pb::RangeResponse response;
      const grpc::Status status = stub->Range(&context, request, &response);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
      EXPECT_EQ(status.error_message(), "etcdserver: invalid sort option");
    }
  }
}

// A CA with a server and a client certificate, as files.
class TlsTest : public ::testing::Test {
 protected:
  struct Leaf {
    std::string certificate;
    std::string key;
  };
  static pki::Ca make_ca(const std::string& name) {
    return *pki::make_ca(pki::KeyType::kEcdsaP256, name, SystemClock().wall_now(), std::chrono::hours(1));
  }
  static Leaf issue(const pki::Ca& ca, const std::string& name) {
    const WallTime now = SystemClock().wall_now();
    const pki::PrivateKey key = *pki::PrivateKey::generate(pki::KeyType::kEcdsaP256);
    const pki::CertificateSpec spec{.subject = {.common_name = name},
                                    .alt_names = {.dns = {"localhost"}, .ips = {"127.0.0.1"}},
                                    .usages = {"digital signature", "server auth", "client auth"},
                                    .not_before = now - std::chrono::minutes(1),
                                    .not_after = now + std::chrono::hours(1)};
    return {pki::issue(ca, spec, key.public_key())->to_pem(), key.to_pem()};
  }
  TlsFiles files() {
    const Leaf server = issue(ca_, "server");
    cloudless::testing::write_file(dir_ / "server.crt", server.certificate);
    cloudless::testing::write_file(dir_ / "server.key", server.key);
    cloudless::testing::write_file(dir_ / "ca.crt", ca_.certificate.to_pem());
    return {dir_ / "server.crt", dir_ / "server.key", dir_ / "ca.crt"};
  }
  // The outcome of a call by a client that shows `leaf`.
  grpc::Status status_with(const Leaf& leaf) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ca_.certificate.to_pem();
    options.pem_cert_chain = leaf.certificate;
    options.pem_private_key = leaf.key;
    const auto channel = grpc::CreateChannel(served_.endpoint(), grpc::SslCredentials(options));
    return call(channel, "/etcdserverpb.Maintenance/Status", "", kRefusalPatience).status;
  }

  const cloudless::testing::TempDir dir_;
  const pki::Ca ca_ = make_ca("etcd-ca");
  const ServedStore served_{{.endpoint = "memory://"}, {.tls = files()}};
};

TEST_F(TlsTest, ACertificateOfTheCaIsLetIn) {
  const grpc::Status status = status_with(issue(ca_, "client"));
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(TlsTest, WithoutACertificateNobodyGetsIn) { EXPECT_FALSE(status_with({}).ok()); }

TEST_F(TlsTest, ACertificateOfAnotherCaDoesNotGetIn) {
  // Of the same name, so that the signature decides.
  EXPECT_FALSE(status_with(issue(make_ca("etcd-ca"), "client")).ok());
}

TEST_F(TlsTest, WhoSpeaksNoTlsDoesNotGetIn) {
  const Answer answer =
      call(plain(served_.endpoint()), "/etcdserverpb.Maintenance/Status", "", kRefusalPatience);
  EXPECT_FALSE(answer.status.ok());
}

TEST_F(TlsTest, EtcdctlUsesItsCertificateFiles) {
  const Leaf client = issue(ca_, "client");
  cloudless::testing::write_file(dir_ / "client.crt", client.certificate);
  cloudless::testing::write_file(dir_ / "client.key", client.key);
  const Etcdctl ctl(
      "https://" + served_.endpoint(),
      {"--cacert=" + dir_ / "ca.crt", "--cert=" + dir_ / "client.crt", "--key=" + dir_ / "client.key"});
  EXPECT_EQ(ctl({"put", "/a", "1"}), "OK\n");
  EXPECT_THAT(ctl({"endpoint", "health"}), HasSubstr("is healthy"));
}

}  // namespace
}  // namespace cloudless::etcd::testing
