// TestServer: a real API server on a store in memory, in this process, for the tests of whatever talks to it.
//
//     TestServer server;
//     auto transport = server.transport();            // as system:admin in system:masters
//     auto response = server.call("GET", "/api/v1/namespaces");
//
// It runs on an event loop with a thread of its own; tasks that use its transport may run there (run()) or on
// any other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/server.hpp"
#include "net/in_process.hpp"
#include "net/server.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::apiserver::testing {

struct TestServerOptions {
  ServerOptions server;
  Pipeline pipeline;
  /// Of the connections at url().
  net::ServerLimits limits;
  Logger log;
};

struct TestResponse {
  int status = 0;
  net::Headers headers;
  std::string body;
};

class TestServer {
 public:
  /// Started when the constructor returns; a failure to start ends the process with its reason.
  explicit TestServer(TestServerOptions options = {});
  ~TestServer();

  ApiServer& server();
  store::Store& store();
  runtime::EventLoop& loop();
  /// A transport into the server. Lives no longer than it.
  std::unique_ptr<net::InProcessTransport> transport(std::string user = "system:admin",
                                                     std::vector<std::string> groups = {"system:masters"});

  /// Serves plain HTTP on loopback from the first call on, for clients that are programs:
  /// "http://127.0.0.1:41234".
  std::string url();
  /// How many of them there are now.
  size_t connection_count() const;

  /// Runs a task on the server's loop and waits for it.
  template <class T>
  T run(runtime::Task<T> task) {
    return runtime::run_blocking(loop(), std::move(task));
  }
  /// One request, answered as a whole. `target`: path and query. For watches pass a timeoutSeconds.
  TestResponse call(std::string method, std::string target, std::string body = "",
                    std::string content_type = "application/json", std::string accept = "application/json");

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::apiserver::testing
