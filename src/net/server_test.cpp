// The server against raw bytes, slow peers and real clients (curl, nghttp, h2load).
#include "net/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "net/client.hpp"
#include "net/http1.hpp"
#include "net/test_certificates.hpp"
#include "runtime/completion.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {
namespace {

using runtime::Task;
using namespace std::chrono_literals;

constexpr Duration kPatience = 60s;

struct Shared {
  runtime::Completion<bool> slow_begun;
  runtime::Completion<bool> slow_go;
  runtime::Completion<bool> flood_ended;
};

Task<void> serve(std::shared_ptr<Shared> shared, Request request, ResponseWriter& response) {
  if (request.path() == "/slow") {
    shared->slow_begun.complete(true);
    static_cast<void>(co_await shared->slow_go.wait());
  }
  if (request.path() == "/flood") {
    static_cast<void>(co_await response.start(200, {}));
    const SharedBytes piece = share(std::string(256 * 1024, 'x'));
    while (co_await response.write(piece)) {
    }
    shared->flood_ended.complete(true);
    co_return;
  }
  if (request.path() == "/hold") {
    static_cast<void>(co_await response.start(200, {}));
    static_cast<void>(co_await response.write(share("first")));
    static_cast<void>(co_await runtime::sleep_for(1h));
    co_return;
  }
  std::string body = request.method + " " + request.target;
  if (request.body && request.path() != "/unread") {
    const Result<std::string> sent = co_await read_all(*request.body, 1 << 20);
    body += " " + sent.value_or("aborted");
  }
  body += fmt::format(" certificates={}", request.peer.certificates.size());
  if (!request.peer.certificate_error.empty()) body += " " + request.peer.certificate_error;
  static_cast<void>(co_await response.respond(200, {}, {share(body)}));
}

class ServerTest : public testing::Test {
 protected:
  void start(ServerLimits limits = {}, std::shared_ptr<TlsServerConfig> tls = nullptr) {
    ServerOptions options;
    options.address = {*IpAddress::parse("127.0.0.1"), 0};
    options.limits = limits;
    options.tls = std::move(tls);
    server_ = std::make_unique<Server>(
        std::vector{&loop_.loop(), &second_loop_.loop()}, options,
        [shared = shared_](Request request, ResponseWriter& response) {
          return serve(shared, std::move(request), response);
        },
        Logger());
    const Result<> started = server_->start();
    ASSERT_TRUE(started) << started.error().message;
  }

  void TearDown() override {
    for (const auto& client : clients_) runtime::run_blocking(client_loop_.loop(), client->stop());
    if (server_) runtime::run_blocking(client_loop_.loop(), server_->stop(Duration()));
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  template <class T>
  Result<T> run(Task<Result<T>> task) {
    return runtime::run_blocking(client_loop_.loop(),
                                 runtime::with_timeout(kPatience, "the test", std::move(task)));
  }

  static Task<Result<std::string>> converse(SocketAddress address, std::string sent) {
    auto stream = CO_TRY(co_await connect_tcp(address));
    CO_TRY(co_await stream->write(std::move(sent)));
    std::string heard;
    for (;;) {
      const Result<std::string> piece = co_await stream->read(64 * 1024);
      if (!piece || piece->empty()) co_return heard;
      heard += *piece;
    }
  }

  // Sends raw bytes and hears all that comes until the server closes.
  std::string say(std::string sent) {
    return run(converse(server_->address(), std::move(sent))).value_or("(no end)");
  }

  static std::string output_of(const std::string& command) {
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::string output;
    std::array<char, 4096> part;
    while (const size_t size = std::fread(part.data(), 1, part.size(), pipe))
      output.append(part.data(), size);
    ::pclose(pipe);
    return output;
  }

  std::string file(const std::string& name, const std::string& text) {
    if (directory_.empty()) {
      directory_ = testing::TempDir() + fmt::format("cl-net-tls-{}", ::getpid());
      std::filesystem::create_directories(directory_);
    }
    // In place of the old one at once, as certificates are renewed.
    std::ofstream(directory_ + "/new") << text;
    std::filesystem::rename(directory_ + "/new", directory_ + "/" + name);
    return directory_ + "/" + name;
  }

  TlsServerOptions tls_files(const test::Issued& ca) {
    const test::Issued issued = test::issue(ca, "server");
    TlsServerOptions options;
    options.identities = {
        {PemSource::file(file("tls.crt", issued.certificate)), PemSource::file(file("tls.key", issued.key))}};
    options.client_ca = PemSource::inline_text(ca.certificate);
    options.client_certificates = ClientCertificates::kOptional;
    return options;
  }

  HttpClient& client_trusting(const test::Issued& ca) {
    TlsClientOptions tls;
    tls.ca = PemSource::inline_text(ca.certificate);
    HttpClientOptions options;
    options.base_url = "https://" + server_->address().to_string();
    options.tls = *TlsClientConfig::make(tls);
    clients_.push_back(*HttpClient::make(options, resolver_, Logger()));
    return *clients_.back();
  }

  runtime::WorkerPool workers_{"net-test", 1, 16};
  Resolver resolver_{workers_};
  // Outlives the server's loops, which post to it to the last.
  runtime::LoopThread client_loop_{"client"};
  runtime::LoopThread loop_{"server"};
  runtime::LoopThread second_loop_{"server-2"};
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<HttpClient>> clients_;
  std::string directory_;
};

TEST_F(ServerTest, MalformedRequestsAreRefusedAndClosed) {
  start();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"nonsense\r\n\r\n", "400"},
      {"GET / HTTP/2.5\r\nHost: a\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},                        // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},  // two
      {"GET / HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n", "431"},
  };
  for (const auto& [sent, status] : cases) {
    EXPECT_TRUE(say(sent).starts_with("HTTP/1.1 " + status)) << sent.substr(0, 80);
  }
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  const std::string heard = say(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const size_t first = heard.find("GET /1");
  const size_t second = heard.find("POST /2 abc");
  const size_t third = heard.find("GET /3");
  EXPECT_TRUE(first < second && second < third && third != std::string::npos) << heard;
}

TEST_F(ServerTest, AClientThatWaitsFor100ContinueGetsIt) {
  start();
  const std::string heard =
      say("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: "
          "close\r\n\r\nhi");
  EXPECT_TRUE(heard.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")) << heard;
}

TEST_F(ServerTest, ABodyThatNobodyReadsDoesNotDisturbTheNextRequest) {
  start();
  const std::string heard =
      say("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /"
          "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(heard.find("POST /unread"), std::string::npos);
  EXPECT_NE(heard.find("GET /next"), std::string::npos);
}

TEST_F(ServerTest, AHeadThatDoesNotEndIsTimedOut) {
  ServerLimits limits;
  limits.header_timeout = 50ms;
  start(limits);
  EXPECT_TRUE(say("GET / HTTP/1.1\r\nHost:").starts_with("HTTP/1.1 408"));
}

TEST_F(ServerTest, AnIdleConnectionIsClosed) {
  ServerLimits limits;
  limits.idle_timeout = 50ms;
  start(limits);
  EXPECT_EQ(say(""), "");
}

Task<Result<bool>> read_nothing(SocketAddress address, std::shared_ptr<Shared> shared) {
  auto stream = CO_TRY(co_await connect_tcp(address));
  CO_TRY(co_await stream->write("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"));
  co_return co_await shared->flood_ended.wait();
}

TEST_F(ServerTest, APeerThatTakesNothingIsDropped) {
  ServerLimits limits;
  limits.write_stall_timeout = 100ms;
  start(limits);
  EXPECT_TRUE(run(read_nothing(server_->address(), shared_)));
}

Task<Result<std::string>> get(HttpClient& client, std::string target) {
  Request request;
  request.target = std::move(target);
  Response response = CO_TRY(co_await client.send(std::move(request)));
  co_return co_await read_all(*response.body, 1 << 20);
}

TEST_F(ServerTest, ARenewedCertificateIsServedWithoutARestart) {
  const test::Issued old_ca = test::make_ca("old");
  const test::Issued new_ca = test::make_ca("new");
  auto config = *TlsServerConfig::make(tls_files(old_ca));
  start({}, config);
  {
    HttpClient& client = client_trusting(old_ca);
    EXPECT_TRUE(run(get(client, "/before")));
    HttpClient& stranger = client_trusting(new_ca);
    const auto refused = run(get(stranger, "/before"));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("failed to verify certificate"), std::string::npos);

    tls_files(new_ca);
    config->reload_if_changed(SteadyTime(SystemClock().steady_now() + 2 * kTlsReloadInterval));
    const auto renewed = run(get(stranger, "/after"));
    EXPECT_TRUE(renewed) << renewed.error().message;
    EXPECT_TRUE(run(get(client, "/after"))) << "a connection that is open stays";

    // Half of a renewal is no certificate: what was there stays in use.
    file("tls.crt", "rubbish");
    config->reload_if_changed(SteadyTime(SystemClock().steady_now() + 5 * kTlsReloadInterval));
    EXPECT_TRUE(run(get(client_trusting(new_ca), "/still")));
  }
}

Task<Result<std::string>> give_up_often(HttpClient& client, int times) {
  Request request;
  request.target = "/hold";
  Response watch = CO_TRY(co_await client.send(std::move(request)));
  CO_TRY(co_await watch.body->next());
  for (int i = 0; i < times; ++i) {
    Request another;
    another.target = "/hold";
    auto left = co_await client.send(std::move(another));
    if (!left) break;
  }
  const auto next = co_await watch.body->next();
  co_return next ? std::string("open") : next.error().message;
}

TEST_F(ServerTest, RapidResetsEndTheConnection) {
  const test::Issued ca = test::make_ca("ca");
  ServerLimits limits;
  limits.resets_per_window = 10;
  start(limits, *TlsServerConfig::make(tls_files(ca)));
  {
    HttpClient& client = client_trusting(ca);
    const auto end = run(give_up_often(client, 30));
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_NE(*end, "open");
  }
}

Task<Result<bool>> begun(std::shared_ptr<Shared> shared) { co_return co_await shared->slow_begun.wait(); }

TEST_F(ServerTest, StoppingLetsARequestAtHandEnd) {
  const test::Issued ca = test::make_ca("ca");
  start({}, *TlsServerConfig::make(tls_files(ca)));
  {
    HttpClient& client = client_trusting(ca);
    runtime::TaskScope scope(client_loop_.loop(), Logger());
    runtime::Completion<Result<std::string>> answer;
    scope.spawn([](HttpClient& sender, runtime::Completion<Result<std::string>> done) -> Task<void> {
      done.complete(co_await get(sender, "/slow"));
    }(client, answer));
    ASSERT_TRUE(run(begun(shared_)));
    // The drain has begun before the handler may go on.
    runtime::LoopThread stopper("stopper");
    runtime::TaskScope stopping(stopper.loop(), Logger());
    stopping.spawn(server_->stop(kPatience));
    shared_->slow_go.complete(true);
    const auto heard = run(answer.wait());
    ASSERT_TRUE(heard && *heard) << (heard ? heard->error().message : heard.error().message);
    EXPECT_TRUE((*heard)->starts_with("GET /slow"));
    runtime::run_blocking(client_loop_.loop(), stopping.join());
    runtime::run_blocking(second_loop_.loop(), scope.join());
  }
  EXPECT_EQ(server_->connection_count(), 0u);
  server_.reset();
}

TEST_F(ServerTest, CurlIsServedOverEveryProtocol) {
  const test::Issued ca = test::make_ca("ca");
  const test::Issued user = test::issue(ca, "user");
  const test::Issued other = test::issue(test::make_ca("stranger"), "user");
  start({}, *TlsServerConfig::make(tls_files(ca)));
  const std::string url = "https://" + server_->address().to_string();
  const std::string curl = "curl -sS --max-time 20 --cacert " + file("ca.crt", ca.certificate) + " ";
  const std::string version = " -w ' HTTP/%{http_version}'";
  EXPECT_EQ(output_of(curl + "--http1.1 " + url + "/a" + version), "GET /a certificates=0 HTTP/1.1");
  EXPECT_EQ(output_of(curl + "--http2 " + url + "/a" + version), "GET /a certificates=0 HTTP/2");
  EXPECT_EQ(output_of(curl + "--http2 -d body " + url + "/a" + version),
            "POST /a body certificates=0 HTTP/2");
  const std::string with_user =
      fmt::format("--cert {} --key {} ", file("u.crt", user.certificate), file("u.key", user.key));
  // curl sends the CA along or not, as its build pleases.
  EXPECT_THAT(output_of(curl + with_user + url + "/a"), testing::ContainsRegex("GET /a certificates=[12]"));
  const std::string with_other =
      fmt::format("--cert {} --key {} ", file("o.crt", other.certificate), file("o.key", other.key));
  // One that does not verify is no certificate; the handler learns why.
  EXPECT_EQ(output_of(curl + with_other + url + "/a"),
            "GET /a certificates=0 unable to verify the first certificate");
}

TEST_F(ServerTest, CurlSpeaksHttp2WithPriorKnowledge) {
  start();
  EXPECT_EQ(output_of("curl -sS --max-time 20 --http2-prior-knowledge http://" +
                      server_->address().to_string() + "/a"),
            "GET /a certificates=0");
}

TEST_F(ServerTest, H2loadSeesNoError) {
  start();
  const std::string output = output_of(
      fmt::format("timeout 60 h2load -n 2000 -c 4 -m 50 http://{}/load", server_->address().to_string()));
  EXPECT_NE(output.find("2000 succeeded, 0 failed, 0 errored"), std::string::npos) << output;
}

}  // namespace
}  // namespace cloudless::net
