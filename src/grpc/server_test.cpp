// The server as clients meet it that do not keep to what a proper one does.
#include "grpc/server.hpp"

#include <gmock/gmock.h>

#include "grpc/message.hpp"
#include "grpc/testing/raw_client.hpp"
#include "net/server_connection.hpp"
#include "net/tcp.hpp"
#include "runtime/completion.hpp"

namespace cloudless::grpc {
namespace {

using runtime::Task;
using testing::RawAnswer;
using testing::RawClient;
using testing::RawFields;
using namespace std::chrono_literals;

constexpr size_t kRequestLimit = 1 << 20;

std::string framed(std::string_view message, char format = 0) {
  std::string bytes(kPrefixBytes, '\0');
  put_prefix(bytes.data(), message.size());
  bytes[0] = format;
  return bytes.append(message);
}

// What the server's methods share with the test; on the server's loop.
struct Seen {
  std::vector<Reply> held;
  runtime::Completion<bool> gone;
};

Task<Result<>> wait_for_end(std::shared_ptr<Seen> seen, ServerStream& stream) {
  co_await stream.gone();
  EXPECT_FALSE(co_await stream.send({share(framed("late"))}));
  seen->gone.complete(true);
  co_return Result<>();
}

Task<Result<>> take_all(ServerStream& stream) {
  while (CO_TRY(co_await stream.receive())) continue;
  co_return Result<>();
}

Task<Result<>> end_at_once(ServerStream&) { co_return Result<>(); }

class ServerTest : public ::testing::Test {
 public:
  ServerTest() {
    net::ServerOptions options;
    options.address = *net::SocketAddress::parse("127.0.0.1:0");
    options.http2 = [this](std::unique_ptr<net::Stream> socket, std::string received) {
      return make_connection(service_, std::move(socket), std::move(received));
    };
    auto refuse = [](net::Request, net::ResponseWriter& response) -> Task<void> {
      static_cast<void>(co_await response.respond(404, {}, {}));
    };
    server_ =
        std::make_unique<net::Server>(std::vector{&thread_.loop()}, std::move(options), refuse, Logger());
    const auto started = server_->start();
    EXPECT_TRUE(started) << started.error().message;
    client_.emplace(static_cast<uint16_t>(server_->port()));
  }
  ~ServerTest() override {
    client_.reset();
    scope_.cancel();
    runtime::run_blocking(thread_.loop(), scope_.join());
    runtime::run_blocking(thread_.loop(), server_->stop(0s));
    runtime::run_blocking(thread_.loop(), scope_.join());
    run([](Seen& seen) { seen.held.clear(); });
  }

 protected:
  Methods methods() const {
    Methods all;
    all["/test.Test/Echo"].unary = [](Reply reply, std::string_view request) {
      reply.succeed(share(framed(request)));
    };
    all["/test.Test/Hold"].unary = [seen = seen_](Reply reply, std::string_view) {
      seen->held.push_back(std::move(reply));
    };
    all["/test.Test/Wait"].streaming = [seen = seen_](ServerStream& stream) {
      return wait_for_end(seen, stream);
    };
    all["/test.Test/TakeAll"].streaming = take_all;
    all["/test.Test/End"].streaming = end_at_once;
    return all;
  }
  // On the server's loop.
  template <class Act>
  void run(Act act) {
    const auto task = [](Act todo, Seen& seen) -> Task<int> {
      todo(seen);
      co_return 0;
    };
    runtime::run_blocking(thread_.loop(), task(std::move(act), *seen_));
  }
  // A whole call.
  RawAnswer call(const std::string& path, std::string_view body, const RawFields& fields = {}) {
    const int32_t stream = client_->begin(path, fields);
    client_->send(stream, body);
    client_->end(stream);
    return client_->answer(stream);
  }
  std::string text(const std::string& path, std::string_view body, const RawFields& fields = {}) {
    return call(path, body, fields).text();
  }
  void expect_served() { EXPECT_EQ(call("/test.Test/Echo", framed("x")).body, framed("x")); }

  const std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
  runtime::LoopThread thread_{"grpc-server"};
  runtime::TaskScope scope_{thread_.loop(), Logger()};
  Service service_{
      .methods = methods(), .limits = {.request_bytes = kRequestLimit}, .scope = scope_, .log = Logger()};
  std::unique_ptr<net::Server> server_;
  std::optional<RawClient> client_;
};

TEST_F(ServerTest, ARequestThatIsRefusedBeforeItsEndIsResetBehindTheAnswer) {
  const auto refused = [this](const std::string& path, std::string_view first, const RawFields& fields = {}) {
    const int32_t stream = client_->begin(path, fields);
    client_->send(stream, first);
    const RawAnswer& answer = client_->reset(stream);
    EXPECT_TRUE(answer.ended) << path;
    EXPECT_EQ(answer.reset, uint32_t{NGHTTP2_NO_ERROR}) << path;
    return answer.status() + " " + answer.text();
  };
  EXPECT_EQ(refused("/test.Test/Guess", ""), "200 12: unknown method Guess for service test.Test");
  EXPECT_EQ(refused("/test.Test/Echo", "", {{"content-type", "text/plain"}}),
            "415 3: invalid gRPC request content-type \"text/plain\"");
  EXPECT_EQ(refused("/test.Test/Echo", framed(std::string(kRequestLimit + 1, 'x')).substr(0, 9)),
            "200 8: grpc: received message larger than max (1048577 vs. 1048576)");
  EXPECT_EQ(refused("/test.Test/Echo", framed("xyz", 1).substr(0, 6)),
            "200 13: grpc: compressed flag set with identity or empty encoding");
  EXPECT_EQ(refused("/test.Test/End", ""), "200 0");
  EXPECT_EQ(refused("/test.Test/Echo", framed("whole")), "200 0");
  EXPECT_EQ(refused("/test.Test/Echo", "", {{"x", std::string(16'200, 'x')}}),
            "431 8: the fields of the call are longer than 16384 bytes");
  expect_served();
}

TEST_F(ServerTest, WhatComesOfRefusedRequestsDoesNotUseUpTheConnection) {
  // More than the connection's window, most of it behind the answers.
  constexpr int kCalls = 600;
  const std::string body(60'000, 'x');
  for (int i = 0; i < kCalls; ++i) {
    const int32_t stream = client_->begin("/test.Test/Guess");
    if (i % 2 == 0) client_->answer(stream);
    client_->send(stream, body);
  }
  expect_served();
}

TEST_F(ServerTest, ACallThatEndsBeforeItsMessageIsRefusedAsByGo) {
  EXPECT_EQ(text("/test.Test/Echo", ""), "2: EOF");
  EXPECT_EQ(text("/test.Test/Echo", framed("").substr(0, 3)), "2: unexpected EOF");
  EXPECT_EQ(text("/test.Test/Echo", framed("x").substr(0, 5)), "2: unexpected EOF");
  EXPECT_EQ(text("/test.Test/TakeAll", framed("x") + framed("x").substr(0, 3)), "13: unexpected EOF");
  EXPECT_EQ(text("/test.Test/TakeAll", framed("x") + framed("x")), "0");
  expect_served();
}

TEST_F(ServerTest, PathsThatNameNoMethodAreRefusedAsByGo) {
  EXPECT_EQ(text("/test.Test/", ""), "12: unknown method  for service test.Test");
  EXPECT_EQ(text("/test/Echo", ""), "12: unknown service test");
  EXPECT_EQ(text("/a/test.Test/Echo", ""), "12: unknown service a/test.Test");
  EXPECT_EQ(text("/Echo", ""), "12: malformed method name: \"/Echo\"");
  EXPECT_EQ(text("test.Test/Echo", ""), "12: malformed method name: \"test.Test/Echo\"");
}

TEST_F(ServerTest, CompressionIsRefusedByTheNameOfItsEncoding) {
  for (const char format : {0, 1}) {
    for (const char* path : {"/test.Test/Echo", "/test.Test/TakeAll"}) {
      EXPECT_EQ(text(path, framed("x", format), {{"grpc-encoding", "snappy"}}),
                "12: grpc: Decompressor is not installed for grpc-encoding \"snappy\"");
    }
  }
  EXPECT_EQ(text("/test.Test/Echo", framed("x", 1), {{"grpc-encoding", "identity"}}),
            "13: grpc: compressed flag set with identity or empty encoding");
  EXPECT_EQ(text("/test.Test/Echo", framed("x"), {{"grpc-encoding", "identity"}}), "0");
  EXPECT_EQ(text("/test.Test/TakeAll", framed("x", 7)), "13: grpc: received unexpected payload format 7");
}

TEST_F(ServerTest, TheContentTypeIsGrpcOrAKindOfIt) {
  for (const char* type : {"application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+"}) {
    EXPECT_EQ(text("/test.Test/Echo", framed("x"), {{"content-type", type}}), "0") << type;
  }
  for (const char* type : {"application/grpc-web", "application/grpcfoo", "application/json", ""}) {
    EXPECT_EQ(call("/test.Test/Echo", framed("x"), {{"content-type", type}}).status(), "415") << type;
  }
}

TEST_F(ServerTest, ATimeoutThatIsNoneIsRefusedAndOneOfZeroIsOver) {
  for (const char* path : {"/test.Test/Echo", "/test.Test/TakeAll"}) {
    const RawAnswer malformed = call(path, framed("x"), {{"grpc-timeout", "5x"}});
    EXPECT_EQ(malformed.status(), "400");
    EXPECT_EQ(malformed.text(),
              "13: malformed grpc-timeout: transport: timeout unit is not recognized: \"5x\"");
    EXPECT_EQ(text(path, framed("x"), {{"grpc-timeout", "0n"}}), "4: context deadline exceeded");
  }
  EXPECT_EQ(text("/test.Test/Echo", framed("x"), {{"grpc-timeout", "99999999H"}}), "0");
}

TEST_F(ServerTest, CallsEndAtTheirDeadlinesInAnyOrder) {
  const auto begin = [this](const std::string& path, const char* timeout, std::string_view body) {
    const int32_t stream = client_->begin(path, {{"grpc-timeout", timeout}});
    client_->send(stream, body);
    return stream;
  };
  // The nearest comes last, and one is not reached.
  const int32_t far = begin("/test.Test/Hold", "1H", framed("x"));
  const std::vector<int32_t> ending = {
      begin("/test.Test/Hold", "80m", framed("x")),               // the store is at work
      begin("/test.Test/Echo", "60m", framed("x").substr(0, 3)),  // the request has not come
      begin("/test.Test/Wait", "40000u", ""), begin("/test.Test/TakeAll", "1n", framed("x"))};
  for (const int32_t stream : ending) {
    const RawAnswer& answer = client_->reset(stream);
    EXPECT_TRUE(answer.ended);
    EXPECT_EQ(answer.text(), "4: context deadline exceeded");
    EXPECT_EQ(answer.body, "");
    EXPECT_EQ(answer.reset, uint32_t{NGHTTP2_NO_ERROR});
  }
  const auto gone = [](Seen& seen) -> Task<bool> { co_return (co_await seen.gone.wait()).value_or(false); };
  EXPECT_TRUE(runtime::run_blocking(thread_.loop(), gone(*seen_)));
  // What comes after the deadline is dropped; what comes in time is not.
  run([](Seen& seen) {
    ASSERT_FALSE(seen.held.empty());
    for (Reply& reply : seen.held) reply.succeed(share(framed("done")));
  });
  EXPECT_EQ(client_->answer(far).body, framed("done"));
  EXPECT_EQ(client_->answer(far).text(), "0");
  EXPECT_EQ(client_->answer(ending.front()).body, "");
  expect_served();
}

}  // namespace
}  // namespace cloudless::grpc
