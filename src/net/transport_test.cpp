// One contract for every Transport: HTTP/1.1 and HTTP/2, plain and TLS, unix sockets, in process.
#include <gtest/gtest.h>

#include "net/client.hpp"
#include "net/in_process.hpp"
#include "net/server.hpp"
#include "net/test_certificates.hpp"
#include "runtime/completion.hpp"
#include "runtime/scope.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {

namespace {

using runtime::Task;
using namespace std::chrono_literals;

constexpr Duration kPatience = 60s;

Headers text_plain() { return {{"Content-Type", "text/plain"}}; }

// What the handler and the test tell each other.
struct Shared {
  runtime::Completion<bool> handler_started;
  runtime::Completion<bool> handler_cancelled;
  runtime::Completion<Peer> peer;
};

Task<void> echo(Request request, ResponseWriter& response) {
  Result<std::string> body = std::string();
  if (request.body) body = co_await read_all(*request.body, 64 << 20);
  if (!body) co_return;
  static_cast<void>(co_await response.respond(200, text_plain(), {share(request.method + " " + *body)}));
}

Task<void> count_slowly(ResponseWriter& response) {
  static_cast<void>(co_await response.start(200, text_plain()));
  for (int i = 0; i < 3; ++i) {
    static_cast<void>(co_await response.write(share(fmt::format("{}\n", i))));
    static_cast<void>(co_await runtime::sleep_for(1ms));
  }
  static_cast<void>(co_await response.finish());
}

// Writes until somebody stops it.
Task<void> flood(std::shared_ptr<Shared> shared, ResponseWriter& response) {
  static_cast<void>(co_await response.start(200, text_plain()));
  const SharedBytes piece = share(std::string(64 * 1024, 'x'));
  while (co_await response.write(piece)) {
  }
  shared->handler_cancelled.complete(true);
}

Task<void> wait_forever(std::shared_ptr<Shared> shared) {
  shared->handler_started.complete(true);
  const Result<> slept = co_await runtime::sleep_for(1h);
  if (!slept && slept.error().code == Code::kCancelled) shared->handler_cancelled.complete(true);
}

Task<void> hold_open(std::shared_ptr<Shared> shared, ResponseWriter& response) {
  static_cast<void>(co_await response.start(200, text_plain()));
  static_cast<void>(co_await response.write(share("first")));
  co_await wait_forever(shared);
}

Task<void> upgrade(ResponseWriter& response) {
  auto stream = co_await response.upgrade({{"Connection", "Upgrade"}, {"Upgrade", "echo"}});
  if (!stream) {
    static_cast<void>(co_await response.respond(400, {}, {}));
    co_return;
  }
  for (;;) {
    Result<std::string> bytes = co_await (*stream)->read(1024);
    if (!bytes || bytes->empty()) co_return;
    if (!co_await (*stream)->write(std::move(*bytes))) co_return;
  }
}

Task<void> serve(std::shared_ptr<Shared> shared, Request request, ResponseWriter& response) {
  const std::string path(request.path());
  if (path == "/echo") co_return co_await echo(std::move(request), response);
  if (path == "/count") co_return co_await count_slowly(response);
  if (path == "/flood") co_return co_await flood(shared, response);
  if (path == "/wait") co_return co_await wait_forever(shared);
  if (path == "/hold") co_return co_await hold_open(shared, response);
  if (path == "/upgrade") co_return co_await upgrade(response);
  if (path == "/silent") co_return;
  if (path == "/throw") throw std::runtime_error("on purpose");
  if (path == "/early-end") {
    static_cast<void>(co_await response.start(200, text_plain()));
    static_cast<void>(co_await response.write(share("half")));
    co_return;
  }
  if (path == "/peer") {
    shared->peer.complete(request.peer);
    static_cast<void>(co_await response.respond(200, {}, {}));
    co_return;
  }
  static_cast<void>(co_await response.respond(404, text_plain(), {share("no such thing")}));
}

Handler handler_for(std::shared_ptr<Shared> shared) {
  return [shared](Request request, ResponseWriter& response) {
    return serve(shared, std::move(request), response);
  };
}

enum class Carrier { kHttp1, kHttp1Tls, kHttp2, kHttp2Tls, kUnix, kInProcess };

struct ReadBack {
  int status = 0;
  std::string body;
  Headers headers;
};

Task<Result<ReadBack>> fetch(Transport& transport, Request request) {
  Response response = CO_TRY(co_await transport.send(std::move(request)));
  ReadBack read{response.status, {}, response.headers};
  read.body = CO_TRY(co_await read_all(*response.body, 64 << 20));
  co_return read;
}

Request get(std::string target) {
  Request request;
  request.target = std::move(target);
  return request;
}

Request post(std::string target, std::string body) {
  Request request;
  request.method = "POST";
  request.target = std::move(target);
  request.body = make_body(std::move(body));
  return request;
}

class TransportContract : public testing::TestWithParam<Carrier> {
 protected:
  void SetUp() override {
    if (GetParam() == Carrier::kInProcess) {
      transport_ =
          std::make_unique<InProcessTransport>(server_loop_.loop(), handler_for(shared_), "system:test",
                                               std::vector<std::string>{"system:masters"}, Logger());
      return;
    }
    ServerOptions options;
    options.address = {*IpAddress::parse("127.0.0.1"), 0};
    if (GetParam() == Carrier::kUnix)
      options.unix_path = testing::TempDir() + fmt::format("cl-net-{}.sock", ::getpid());
    if (tls()) options.tls = *TlsServerConfig::make(server_tls());
    server_ =
        std::make_unique<Server>(std::vector{&server_loop_.loop()}, options, handler_for(shared_), Logger());
    const Result<> started = server_->start();
    ASSERT_TRUE(started) << started.error().message;
    transport_ = make_client(options);
  }

  void TearDown() override {
    if (auto* in_process = dynamic_cast<InProcessTransport*>(transport_.get())) {
      runtime::run_blocking(client_loop_.loop(), in_process->stop());
    }
    if (auto* client = dynamic_cast<HttpClient*>(transport_.get())) {
      runtime::run_blocking(client_loop_.loop(), client->stop());
    }
    transport_.reset();
    if (server_) runtime::run_blocking(client_loop_.loop(), server_->stop(0s));
  }

  bool tls() const { return GetParam() == Carrier::kHttp1Tls || GetParam() == Carrier::kHttp2Tls; }

  TlsServerOptions server_tls() {
    const test::Issued server = test::issue(ca_, "server");
    TlsServerOptions options;
    options.identities = {{PemSource::inline_text(server.certificate), PemSource::inline_text(server.key)}};
    options.client_ca = PemSource::inline_text(ca_.certificate);
    options.client_certificates = ClientCertificates::kOptional;
    return options;
  }

  std::unique_ptr<Transport> make_client(const ServerOptions& server) {
    HttpClientOptions options;
    const std::string at = server_->address().to_string();
    options.base_url = tls() ? "https://" + at : "http://" + at;
    if (GetParam() == Carrier::kHttp2) options.http2 = Http2::kAlways;
    if (GetParam() == Carrier::kUnix) options.base_url = "unix://" + server.unix_path;
    if (tls()) {
      const test::Issued client = test::issue(ca_, "client");
      TlsClientOptions client_tls;
      client_tls.ca = PemSource::inline_text(ca_.certificate);
      client_tls.identity = {PemSource::inline_text(client.certificate), PemSource::inline_text(client.key)};
      if (GetParam() == Carrier::kHttp1Tls) client_tls.alpn = {"http/1.1"};
      options.tls = *TlsClientConfig::make(client_tls);
    }
    return *HttpClient::make(options, resolver_, Logger());
  }

  template <class T>
  Result<T> run(Task<Result<T>> task) {
    return runtime::run_blocking(client_loop_.loop(),
                                 runtime::with_timeout(kPatience, "the test", std::move(task)));
  }

  runtime::WorkerPool workers_{"net-test", 1, 16};
  Resolver resolver_{workers_};
  // Outlives the server's loop, which posts to it to the last.
  runtime::LoopThread client_loop_{"client"};
  runtime::LoopThread server_loop_{"server"};
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  test::Issued ca_ = test::make_ca("test-ca");
  std::unique_ptr<Server> server_;
  std::unique_ptr<Transport> transport_;
};

TEST_P(TransportContract, ARequestIsAnswered) {
  const auto answer = run(fetch(*transport_, get("/nowhere")));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "no such thing");
  EXPECT_EQ(answer->headers.get("content-type"), "text/plain");
}

TEST_P(TransportContract, ManyRequestsInTurnAreAnswered) {
  for (int i = 0; i < 50; ++i) {
    const auto answer = run(fetch(*transport_, post("/echo", fmt::format("number {}", i))));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, fmt::format("POST number {}", i));
  }
}

TEST_P(TransportContract, ABodyOfMegabytesPassesBothWays) {
  std::string body(5 << 20, 'b');
  body += "end";
  const auto answer = run(fetch(*transport_, post("/echo", body)));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "POST " + body);
}

TEST_P(TransportContract, AStreamedBodyArrivesWhole) {
  const auto answer = run(fetch(*transport_, get("/count")));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "0\n1\n2\n");
}

TEST_P(TransportContract, AHeadRequestHasNoBody) {
  Request request = get("/echo");
  request.method = "HEAD";
  const auto answer = run(fetch(*transport_, std::move(request)));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "");
  const auto next = run(fetch(*transport_, get("/count")));
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(next->body, "0\n1\n2\n");
}

TEST_P(TransportContract, AHandlerThatSaysNothingIsA500) {
  for (const char* target : {"/silent", "/throw"}) {
    const auto answer = run(fetch(*transport_, get(target)));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 500);
  }
}

TEST_P(TransportContract, AResponseThatEndsEarlyIsAnError) {
  const auto answer = run(fetch(*transport_, get("/early-end")));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
}

Task<Result<bool>> open_and_leave(Transport& transport, std::string target, std::shared_ptr<Shared> shared) {
  {
    Response response = CO_TRY(co_await transport.send(get(std::move(target))));
    CO_TRY(co_await response.body->next());
  }
  co_return co_await shared->handler_cancelled.wait();
}

TEST_P(TransportContract, LeavingAResponseCancelsItsHandler) {
  const auto cancelled = run(open_and_leave(*transport_, "/hold", shared_));
  ASSERT_TRUE(cancelled) << cancelled.error().message;
}

TEST_P(TransportContract, AFloodStopsWhenItsReaderLeaves) {
  const auto cancelled = run(open_and_leave(*transport_, "/flood", shared_));
  ASSERT_TRUE(cancelled) << cancelled.error().message;
}

Task<void> send_and_expect_nothing(Transport& transport) {
  EXPECT_FALSE(co_await transport.send(get("/wait")));
}

Task<Result<bool>> send_and_give_up(Transport& transport, std::shared_ptr<Shared> shared) {
  const runtime::TaskContext context = co_await runtime::current_context();
  runtime::TaskScope asking(*context.executor, Logger());
  asking.spawn(send_and_expect_nothing(transport));
  const Result<bool> started = co_await shared->handler_started.wait();
  asking.cancel();
  co_await asking.join();
  if (!started) co_return started;
  co_return co_await shared->handler_cancelled.wait();
}

TEST_P(TransportContract, ACancelledRequestCancelsItsHandler) {
  const auto cancelled = run(send_and_give_up(*transport_, shared_));
  ASSERT_TRUE(cancelled) << cancelled.error().message;
}

Task<Result<std::string>> say_over_upgrade(Transport& transport) {
  Request request = get("/upgrade");
  request.headers = {{"Connection", "Upgrade"}, {"Upgrade", "echo"}};
  Response response = CO_TRY(co_await transport.send(std::move(request)));
  if (!response.upgraded) co_return fail(Code::kInternal, "status {}", response.status);
  std::string heard;
  for (const std::string word : {"one ", "two ", "three"}) {
    CO_TRY(co_await response.upgraded->write(word));
    std::string back;
    while (back.size() < word.size()) back += CO_TRY(co_await response.upgraded->read(1024));
    heard += back;
  }
  co_return heard;
}

TEST_P(TransportContract, AnUpgradedConnectionCarriesBytesBothWays) {
  const auto heard = run(say_over_upgrade(*transport_));
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_EQ(*heard, "one two three");
}

Task<Result<size_t>> watch_many(Transport& transport, size_t count) {
  std::vector<Response> watches;
  for (size_t i = 0; i < count; ++i) {
    watches.push_back(CO_TRY(co_await transport.send(get("/hold"))));
    const auto first = CO_TRY(co_await watches.back().body->next());
    if (!first || **first != "first") co_return fail(Code::kInternal, "watch {} has no event", i);
  }
  // Others are served while the watches stay open.
  const ReadBack answer = CO_TRY(co_await fetch(transport, get("/count")));
  co_return answer.body.size();
}

TEST_P(TransportContract, WatchesStayOpenBesideOtherRequests) {
  const auto size = run(watch_many(*transport_, 40));
  ASSERT_TRUE(size) << size.error().message;
  EXPECT_EQ(*size, 6u);
}

TEST_P(TransportContract, TheHandlerKnowsWhoAsks) {
  ASSERT_TRUE(run(fetch(*transport_, get("/peer"))));
  const auto peer = run(shared_->peer.wait());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->tls, tls());
  EXPECT_EQ(peer->certificates.size(), tls() ? 1u : 0u);
  EXPECT_EQ(peer->in_process_user.has_value(), GetParam() == Carrier::kInProcess);
}

std::string carrier_name(const testing::TestParamInfo<Carrier>& info) {
  switch (info.param) {
    case Carrier::kHttp1:
      return "Http1";
    case Carrier::kHttp1Tls:
      return "Http1Tls";
    case Carrier::kHttp2:
      return "Http2";
    case Carrier::kHttp2Tls:
      return "Http2Tls";
    case Carrier::kUnix:
      return "Unix";
    case Carrier::kInProcess:
      return "InProcess";
  }
  return "?";
}

INSTANTIATE_TEST_SUITE_P(Every, TransportContract,
                         testing::Values(Carrier::kHttp1, Carrier::kHttp1Tls, Carrier::kHttp2,
                                         Carrier::kHttp2Tls, Carrier::kUnix, Carrier::kInProcess),
                         carrier_name);

}  // namespace
}  // namespace cloudless::net
