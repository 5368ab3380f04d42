#include "apiserver/testing/test_server.hpp"

#include <cstdio>
#include <cstdlib>

#include "store/open.hpp"

namespace cloudless::apiserver::testing {

using runtime::Task;

namespace {

/// More than any answer of a test.
constexpr size_t kMaxAnswerBytes = size_t{256} << 20;

Task<TestResponse> send(net::Transport& transport, net::Request request) {
  Result<net::Response> response = co_await transport.send(std::move(request));
  if (!response) co_return TestResponse{.status = 0, .body = response.error().message};
  TestResponse out{.status = response->status, .headers = response->headers};
  Result<std::string> body = co_await net::read_all(*response->body, kMaxAnswerBytes);
  out.body = body ? std::move(*body) : body.error().message;
  co_return out;
}

}  // namespace

struct TestServer::State {
  SystemClock clock;
  SystemRandom random;
  metrics::Registry metrics;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<runtime::LoopThread> thread = std::make_unique<runtime::LoopThread>("apiserver-test");
  std::unique_ptr<ApiServer> server;
  std::unique_ptr<net::InProcessTransport> admin;
  std::unique_ptr<net::Server> listener;
  net::ServerLimits limits;
  Logger log;
};

TestServer::TestServer(TestServerOptions options) : state_(std::make_unique<State>()) {
  state_->log = options.log;
  state_->limits = options.limits;
  Result<std::unique_ptr<store::Store>> store =
      store::open_store({.endpoint = "memory://"}, state_->clock, state_->random, options.log);
  if (!store) {
    std::fprintf(stderr, "open the store: %s\n", store.error().message.c_str());
    std::abort();
  }
  state_->store = std::move(*store);
  state_->server = std::make_unique<ApiServer>(options.server, *state_->store, loop(), nullptr, state_->clock,
                                               state_->random, state_->metrics, options.log);
  state_->server->set_pipeline(std::move(options.pipeline));
  if (const Result<> started = run(state_->server->start()); !started) {
    std::fprintf(stderr, "start the API server: %s\n", started.error().message.c_str());
    std::abort();
  }
  state_->admin = transport();
}

TestServer::~TestServer() {
  if (state_->listener) run(state_->listener->stop(Duration(0)));
  run(state_->admin->stop());
  run(state_->server->stop());
  state_->listener.reset();
  state_->admin.reset();
  state_->server.reset();
  state_->thread.reset();
}

std::string TestServer::url() {
  if (!state_->listener) {
    net::ServerOptions options;
    options.address = net::SocketAddress::parse("127.0.0.1:0").value();
    options.limits = state_->limits;
    state_->listener =
        std::make_unique<net::Server>(std::vector<runtime::EventLoop*>{&loop()}, std::move(options),
                                      state_->server->handler(), state_->log);
    if (const Result<> started = state_->listener->start(); !started) {
      std::fprintf(stderr, "listen on loopback: %s\n", started.error().message.c_str());
      std::abort();
    }
  }
  return fmt::format("http://127.0.0.1:{}", state_->listener->port());
}

size_t TestServer::connection_count() const {
  return state_->listener ? state_->listener->connection_count() : 0;
}

ApiServer& TestServer::server() { return *state_->server; }
store::Store& TestServer::store() { return *state_->store; }
runtime::EventLoop& TestServer::loop() { return state_->thread->loop(); }

std::unique_ptr<net::InProcessTransport> TestServer::transport(std::string user,
                                                               std::vector<std::string> groups) {
  return std::make_unique<net::InProcessTransport>(loop(), state_->server->handler(), std::move(user),
                                                   std::move(groups), state_->log);
}

TestResponse TestServer::call(std::string method, std::string target, std::string body,
                              std::string content_type, std::string accept) {
  net::Request request{.method = std::move(method), .target = std::move(target)};
  request.headers.add("accept", std::move(accept));
  request.headers.add("user-agent", "test/v1");
  if (!body.empty()) {
    request.headers.add("content-type", std::move(content_type));
    request.body = net::make_body(std::move(body));
  }
  return run(send(*state_->admin, std::move(request)));
}

}  // namespace cloudless::apiserver::testing
