// HttpClient: a Transport to one server, over TCP, TLS or a unix socket. Speaks HTTP/2 where the server
// agrees by ALPN (all requests share one connection, watches included; another one is opened past the
// server's stream limit) and else HTTP/1.1 with a pool of connections. Requests to upgrade use an HTTP/1.1
// connection of their own.
//
// Thread-safe: each EventLoop that sends has its own connections. Cancelling the sending task or destroying
// the Response aborts the request's stream.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/http.hpp"
#include "net/tcp.hpp"
#include "net/tls.hpp"

namespace cloudless::net {

enum class Http2 {
  kByAlpn,  // HTTP/1.1 where the server does not agree to HTTP/2
  kAlways,  // by prior knowledge on plain connections; a server that does not agree by ALPN is an error
};

struct HttpClientOptions {
  /// "https://host:port", "http://host:port" or "unix:///path"; a path in it is put before each target.
  std::string base_url;
  /// For https; the system's CAs where null.
  std::shared_ptr<TlsClientConfig> tls;
  Http2 http2 = Http2::kByAlpn;
  Duration connect_timeout = std::chrono::seconds(10);  // name, connection and handshake together
  /// Until the response's head; 0: no limit.
  Duration head_timeout = std::chrono::seconds(60);
  /// After a connection that could not be made, requests fail at once with its error for so long, twice as
  /// long after each further one up to the maximum. 0: each request tries.
  Duration min_backoff = Duration::zero();
  Duration max_backoff = Duration::zero();
  Duration idle_timeout = std::chrono::seconds(90);  // an unused connection is closed
  /// An HTTP/2 connection that brought nothing for so long is probed by PING, and closed when that stays
  /// unanswered for ping_timeout: a peer that lost its power sends no FIN.
  Duration ping_after = std::chrono::seconds(30);
  Duration ping_timeout = std::chrono::seconds(15);
  Duration write_stall_timeout = std::chrono::seconds(60);
  size_t header_bytes = 256 * 1024;        // a response's head
  size_t connections = 100;                // HTTP/1.1, at a time and loop; more requests fail
  uint32_t stream_window_bytes = 1 << 20;  // unread body of one HTTP/2 response
  size_t write_buffer_bytes = 256 * 1024;
};

class HttpClient final : public Transport {
 public:
  /// `resolver` outlives the client. kInvalid for a base_url that is none.
  static Result<std::unique_ptr<HttpClient>> make(HttpClientOptions options, Resolver& resolver, Logger log);
  /// Aborts all connections, which unwind on their loops; stop() first to know that they have.
  ~HttpClient() override;

  /// On the running task's EventLoop. kUnavailable where the server cannot be reached or goes away;
  /// kDeadlineExceeded past a timeout.
  runtime::Task<Result<Response>> send(Request request) override;
  /// Returns once there is an HTTP/2 connection that takes requests; for Http2::kAlways. What fails here has
  /// sent nothing.
  runtime::Task<Result<>> connect();
  /// Aborts all connections and returns when none is left. What is sent afterwards fails.
  runtime::Task<void> stop();
  /// Aborts all connections and blocks, for at most `limit`, until none is left, so that what runs their
  /// loops may end. On none of these loops' threads.
  void close(Duration limit);
  /// Closes idle connections, so that the next request makes a new one (with new credentials, say). Any
  /// thread.
  void close_idle();

 private:
  struct State;
  explicit HttpClient(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace cloudless::net
