// Channel against our own server, over real sockets; what only a peer of another kind sends comes from a
// scripted transport.
#include "grpc/channel.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "grpc/message.hpp"
#include "grpc/server.hpp"
#include "runtime/timer.hpp"

namespace cloudless::grpc {
namespace {

using runtime::Task;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr Duration kPatience = 60s;
constexpr size_t kServerLimit = 8 << 20;

SharedBytes framed(std::string_view message) {
  std::string bytes(kPrefixBytes, '\0');
  put_prefix(bytes.data(), message.size());
  return share(bytes.append(message));
}

// What the server's methods tell the test.
struct Seen {
  runtime::Completion<bool> client_gone;
};

Task<Result<>> count(ServerStream& stream) {
  const std::optional<std::string> wanted = CO_TRY(co_await stream.receive());
  for (int i = 0; i < std::stoi(*wanted); ++i) {
    if (!co_await stream.send({framed(fmt::format("{}", i))})) co_return Result<>();
  }
  co_return fail(Code::kNotFound, "no more than {}", *wanted);
}

Task<Result<>> echo(ServerStream& stream) {
  for (;;) {
    const std::optional<std::string> message = CO_TRY(co_await stream.receive());
    if (!message) co_return Result<>();
    if (!co_await stream.send({framed("re: " + *message)})) co_return Result<>();
  }
}

Task<Result<>> wait_for_end(std::shared_ptr<Seen> seen, ServerStream& stream) {
  co_await stream.gone();
  seen->client_gone.complete(true);
  co_return Result<>();
}

Methods methods(const std::shared_ptr<Seen>& seen) {
  Methods all;
  all["/test.Test/Echo"].unary = [](Reply reply, std::string_view request) {
    reply.succeed(framed(fmt::format("re: {}", request)));
  };
  all["/test.Test/Refuse"].unary = [](Reply reply, std::string_view) {
    reply.refuse({StatusCode::kFailedPrecondition, "50% is\nnot \xc3\xa4nough"});
  };
  all["/test.Test/Count"].streaming = count;
  all["/test.Test/EchoAll"].streaming = echo;
  all["/test.Test/Wait"].streaming = [seen](ServerStream& stream) { return wait_for_end(seen, stream); };
  return all;
}

class TestServer {
 public:
  explicit TestServer(std::string unix_path,
                      net::SocketAddress address = *net::SocketAddress::parse("127.0.0.1:0"))
      : service_{.methods = methods(seen_),
                 .limits = {.request_bytes = kServerLimit},
                 .scope = scope_,
                 .log = Logger()} {
    net::ServerOptions options;
    options.address = address;
    options.unix_path = std::move(unix_path);
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
  }
  ~TestServer() {
    scope_.cancel();
    runtime::run_blocking(thread_.loop(), scope_.join());
    runtime::run_blocking(thread_.loop(), server_->stop(0s));
    runtime::run_blocking(thread_.loop(), scope_.join());
  }

  net::SocketAddress address() const { return server_->address(); }
  size_t connections() const { return server_->connection_count(); }
  runtime::Completion<bool> client_gone() const { return seen_->client_gone; }

 private:
  const std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
  runtime::LoopThread thread_{"grpc-server"};
  runtime::TaskScope scope_{thread_.loop(), Logger()};
  Service service_;
  std::unique_ptr<net::Server> server_;
};

class ChannelTest : public ::testing::Test {
 public:
  ~ChannelTest() override {
    if (channel_) channel_->close(kPatience);
  }

 protected:
  template <class T>
  T run(Task<T> task) {
    return runtime::run_blocking(thread_.loop(), std::move(task));
  }
  void connect(const net::SocketAddress& address, CallRules rules = {}) {
    if (channel_) channel_->close(kPatience);
    channel_ = *Channel::make({.target = "http://" + address.to_string(),
                               .tls = nullptr,
                               .rules = rules,
                               .min_backoff = 1ms,
                               .max_backoff = 20ms},
                              resolver_, Logger());
  }
  void start(CallRules rules = {}) {
    server_ = std::make_unique<TestServer>("");
    connect(server_->address(), rules);
  }
  Result<std::string> call(const std::string& method, std::string_view request, CallOptions options = {}) {
    return run(channel_->unary("/test.Test/" + method, framed(request), std::move(options)));
  }
  Result<std::unique_ptr<ClientStream>> begin(const std::string& method, std::string_view first,
                                              Sending sending) {
    return run(channel_->stream("/test.Test/" + method, framed(first), sending, {.limit = kPatience}));
  }
  // Streams go where they live.
  void end(std::unique_ptr<ClientStream> stream) { run(drop(std::move(stream))); }
  static Task<bool> drop(std::unique_ptr<ClientStream> stream) {
    stream.reset();
    co_return true;
  }

  runtime::WorkerPool workers_{"resolve", 1, 10};
  net::Resolver resolver_{workers_};
  runtime::LoopThread thread_{"grpc-client"};
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<Channel> channel_;
};

TEST_F(ChannelTest, AUnaryCallIsAnswered) {
  start();
  EXPECT_EQ(call("Echo", "hello").value(), "re: hello");
  EXPECT_EQ(call("Echo", "").value(), "re: ");
}

TEST_F(ChannelTest, ALargeMessagePassesBothWays) {
  start({.message_bytes = kAnyMessage});
  const std::string large(7 << 20, 'x');
  EXPECT_EQ(call("Echo", large).value(), "re: " + large);
}

TEST_F(ChannelTest, CallsShareAConnection) {
  start();
  const auto many = [](Channel& channel) -> Task<Result<int>> {
    runtime::TaskScope scope(*(co_await runtime::current_context()).executor, Logger());
    int answered = 0;
    const auto one = [](Channel& via, int number, int& sum) -> Task<void> {
      const std::string text = fmt::format("{}", number);
      const auto answer = co_await via.unary("/test.Test/Echo", framed(text));
      if (answer && *answer == "re: " + text) ++sum;
    };
    for (int i = 0; i < 100; ++i) scope.spawn(one(channel, i, answered));
    co_await scope.join();
    co_return answered;
  };
  EXPECT_EQ(run(many(*channel_)).value(), 100);
  EXPECT_EQ(server_->connections(), 1u);
}

TEST_F(ChannelTest, OverAUnixSocketToo) {
  const std::string path =
      std::filesystem::temp_directory_path() / fmt::format("grpc-test-{}.sock", ::getpid());
  server_ = std::make_unique<TestServer>(path);
  channel_ = *Channel::make({.target = "unix://" + path}, resolver_, Logger());
  EXPECT_EQ(call("Echo", "hello").value(), "re: hello");
}

TEST_F(ChannelTest, ARefusalKeepsItsCodeAndText) {
  static Status status;
  start({.error_of = [](const Status& seen) {
    status = seen;
    return Error{Code::kConflict, "mapped"};
  }});
  EXPECT_EQ(call("Refuse", "x").error(), (Error{Code::kConflict, "mapped"}));
  EXPECT_EQ(status, (Status{StatusCode::kFailedPrecondition, "50% is\nnot \xc3\xa4nough"}));
  EXPECT_FALSE(call("Guess", "x"));
  EXPECT_EQ(status, (Status{StatusCode::kUnimplemented, "unknown method Guess for service test.Test"}));
}

TEST_F(ChannelTest, AStreamBringsItsMessagesAndThenItsStatus) {
  start();
  auto stream = begin("Count", "3", Sending::kNothingMore);
  ASSERT_TRUE(stream) << stream.error().message;
  std::vector<std::string> messages;
  auto next = run((*stream)->receive());
  for (; next && *next; next = run((*stream)->receive())) messages.push_back(**next);
  EXPECT_THAT(messages, ElementsAre("0", "1", "2"));
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error(), (Error{Code::kNotFound, "no more than 3"}));
  EXPECT_EQ(run((*stream)->receive()).error(), next.error());
  end(std::move(*stream));
}

TEST_F(ChannelTest, BothSidesOfAStreamSpeakInTurn) {
  start();
  auto stream = begin("EchoAll", "0", Sending::kMore);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_EQ(run((*stream)->receive()).value(), "re: 0");
  for (int i = 1; i < 50; ++i) {
    ASSERT_TRUE((*stream)->try_send(framed(fmt::format("{}", i))));
    EXPECT_EQ(run((*stream)->receive()).value(), fmt::format("re: {}", i));
  }
  (*stream)->end_sending();
  EXPECT_EQ(run((*stream)->receive()).value(), std::nullopt);
  EXPECT_FALSE((*stream)->try_send(framed("late")));
  end(std::move(*stream));
}

TEST_F(ChannelTest, ACallPastItsLimitFailsAndTheServerHearsOfIt) {
  start();
  const auto answer = call("Wait", "x", {.limit = 100ms});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), (Error{Code::kDeadlineExceeded, "context deadline exceeded"}));
  EXPECT_TRUE(run(runtime::with_timeout(kPatience, "the end of the call", server_->client_gone().wait())));
}

TEST_F(ChannelTest, AStreamThatIsDroppedEndsAtTheServer) {
  start();
  auto stream = begin("Wait", "x", Sending::kMore);
  ASSERT_TRUE(stream) << stream.error().message;
  end(std::move(*stream));
  EXPECT_TRUE(run(runtime::with_timeout(kPatience, "the end of the call", server_->client_gone().wait())));
}

TEST_F(ChannelTest, AWaitThatIsCancelledLosesNothing) {
  start();
  auto stream = begin("EchoAll", "0", Sending::kMore);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_EQ(run((*stream)->receive()).value(), "re: 0");
  const auto left = run(runtime::with_timeout(1ms, "nothing", (*stream)->receive()));
  EXPECT_EQ(left.error().code, Code::kDeadlineExceeded);
  ASSERT_TRUE((*stream)->try_send(framed("1")));
  EXPECT_EQ(run((*stream)->receive()).value(), "re: 1");
  end(std::move(*stream));
}

TEST_F(ChannelTest, AMessageBeyondTheLimitIsRefused) {
  start({.message_bytes = 10});
  EXPECT_EQ(call("Echo", "123456").value(), "re: 123456");
  const auto answer = call("Echo", "1234567");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(),
            (Error{Code::kResourceExhausted, "grpc: received message larger than max (11 vs. 10)"}));
  EXPECT_EQ(call("Echo", "1").value(), "re: 1");
}

TEST_F(ChannelTest, WhereNobodyListensCallsFailAtOnceUntilSomebodyDoes) {
  start();
  const net::SocketAddress address = server_->address();
  EXPECT_TRUE(call("Echo", "1"));
  server_.reset();
  for (int i = 0; i < 20; ++i) {
    const auto answer = call("Echo", "2");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::kUnavailable);
  }
  EXPECT_THAT(run(channel_->connect()).error().message, HasSubstr("connection error"));
  server_ = std::make_unique<TestServer>("", address);
  const auto comes_back = [](Channel& channel) -> Task<Result<std::string>> {
    for (;;) {
      auto answer = co_await channel.unary("/test.Test/Echo", framed("3"));
      if (answer) co_return answer;
      CO_TRY(co_await runtime::sleep_for(5ms));
    }
  };
  EXPECT_EQ(run(runtime::with_timeout(kPatience, "the server's return", comes_back(*channel_))).value(),
            "re: 3");
}

// Answers every request with what it was made with.
class Scripted final : public net::Transport {
 public:
  Scripted(int status, net::Headers headers, std::string body)
      : status_(status), headers_(std::move(headers)), body_(std::move(body)) {}
  Task<Result<net::Response>> send(net::Request) override {
    net::Response response;
    response.status = status_;
    response.headers = headers_;
    response.body = net::make_body(body_);
    co_return response;
  }

 private:
  const int status_;
  const net::Headers headers_;
  const std::string body_;
};

class AnswerTest : public ::testing::Test {
 protected:
  Result<std::string> answered(int status, net::Headers headers, std::string body) {
    Channel channel(std::make_unique<Scripted>(status, std::move(headers), std::move(body)), {});
    return runtime::run_blocking(thread_.loop(), channel.unary("/a.B/C", framed("x")));
  }
  static net::Headers grpc(std::initializer_list<std::pair<std::string, std::string>> more = {}) {
    net::Headers headers{{"content-type", "application/grpc+proto"}};
    for (const auto& [name, value] : more) headers.add(name, value);
    return headers;
  }
  static std::string bytes(std::string_view message) { return std::string(view(framed(message))); }

  runtime::LoopThread thread_{"grpc-client"};
};

TEST_F(AnswerTest, ThatIsNotGrpcIsAnError) {
  EXPECT_EQ(answered(404, {}, "").error().code, Code::kUnimplemented);
  EXPECT_EQ(answered(503, {{"content-type", "text/html"}}, "down").error().code, Code::kUnavailable);
  EXPECT_THAT(answered(200, {{"content-type", "text/html"}}, "hello").error().message,
              HasSubstr("content-type in the answer: \"text/html\""));
  EXPECT_FALSE(answered(200, {}, bytes("x")));
}

TEST_F(AnswerTest, WithoutAStatusOrCutShortIsAnError) {
  EXPECT_THAT(answered(200, grpc(), bytes("x")).error().message, HasSubstr("without sending trailers"));
  EXPECT_EQ(answered(200, grpc({{"grpc-status", "0"}}), bytes("x").substr(0, 4)).error().message,
            "unexpected EOF");
  EXPECT_THAT(answered(200, grpc({{"grpc-status", "0"}}), "").error().message,
              HasSubstr("no response message"));
  EXPECT_THAT(answered(200, grpc({{"grpc-status", "0"}}), bytes("x") + bytes("y")).error().message,
              HasSubstr("expected one response message"));
}

TEST_F(AnswerTest, WhoseStatusIsInItsHeadIsThatStatus) {
  EXPECT_EQ(answered(200, grpc({{"grpc-status", "5"}, {"grpc-message", "no%20such"}}), "").error(),
            (Error{Code::kNotFound, "no such"}));
  EXPECT_EQ(answered(200, grpc({{"grpc-status", "0"}}), bytes("x")).value(), "x");
}

}  // namespace
}  // namespace cloudless::grpc
