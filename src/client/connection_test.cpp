#include "client/connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/client.hpp"
#include "net/server.hpp"
#include "net/tcp.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::client {
namespace {

using runtime::Task;

Task<void> answer(std::string text, net::ResponseWriter& response) {
  static_cast<void>(co_await response.respond(200, {}, {share(std::move(text))}));
}

// A server on loopback that answers everything with its name.
class NamedServer {
 public:
  NamedServer(runtime::EventLoop& loop, std::string name) : loop_(loop) {
    net::ServerOptions options;
    options.address = net::SocketAddress::parse("127.0.0.1:0").value();
    server_ = std::make_unique<net::Server>(
        std::vector{&loop}, std::move(options),
        [name](net::Request, net::ResponseWriter& response) { return answer(name, response); }, Logger());
    EXPECT_TRUE(server_->start());
  }
  ~NamedServer() { stop(); }
  void stop() {
    if (server_) runtime::run_blocking(loop_, server_->stop(Duration(0)));
    server_.reset();
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }

 private:
  runtime::EventLoop& loop_;
  std::unique_ptr<net::Server> server_;
};

class ConnectionTest : public ::testing::Test {
 public:
  ~ConnectionTest() override { runtime::run_blocking(thread_.loop(), connection_->stop()); }

 protected:
  ConnectionTest() {
    connection_ =
        Connection::make({.server = one_.url(), .tls = {}, .token = {}}, resolver_, Logger()).value();
    client_ = std::make_unique<Client>(*connection_);
  }
  Result<std::string> ask() {
    return runtime::run_blocking(thread_.loop(), client_->call({.target = "/", .body = {}}));
  }

  runtime::WorkerPool workers_{"resolver", 1, 10};
  net::Resolver resolver_{workers_};
  runtime::LoopThread thread_{"connection-test"};
  NamedServer one_{thread_.loop(), "one"};
  NamedServer two_{thread_.loop(), "two"};
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Client> client_;
};

TEST_F(ConnectionTest, GoesToTheNextServerAfterOneThatDoesNotAnswer) {
  connection_->set_fallbacks({one_.url(), two_.url()});
  EXPECT_EQ(ask().value(), "one");
  one_.stop();
  // Whoever notices may fail; those after it do not.
  static_cast<void>(ask());
  EXPECT_EQ(ask().value(), "two");
}

TEST_F(ConnectionTest, LeavesAServerThatIsKnownToBeGone) {
  runtime::run_blocking(thread_.loop(), connection_->leave());
  EXPECT_EQ(ask().value(), "one") << "there is no other";
  connection_->set_fallbacks({two_.url()});
  runtime::run_blocking(thread_.loop(), connection_->leave());
  EXPECT_EQ(connection_->server(), two_.url());
  EXPECT_EQ(ask().value(), "two");
  // The one that is used may be taken out; its connections end with the connection itself.
  connection_->set_fallbacks({});
  EXPECT_EQ(ask().value(), "one");
}

}  // namespace
}  // namespace cloudless::client
