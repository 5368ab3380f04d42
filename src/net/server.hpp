// Server: listens, and serves each request by the Handler, over HTTP/1.1 and HTTP/2, plain or TLS. HTTP/2 is
// chosen by ALPN, or on a plain connection by the client's preface (prior knowledge).
//
// Connections are spread over the loops one after another; a handler runs on its connection's loop. What a
// client can make the server hold is bounded: header bytes, streams, unread body bytes, unsent response
// bytes. A client that takes nothing for the stall limit, or that sends no head in time, is dropped.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/address.hpp"
#include "net/http.hpp"
#include "net/tls.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::net {

struct ServerLimits {
  size_t header_bytes = 64 * 1024;            // a request's head, all fields together
  size_t connections = 10'000;                // more are closed at once
  uint32_t streams = 250;                     // concurrent requests on an HTTP/2 connection, as upstream
  uint32_t stream_window_bytes = 256 * 1024;  // unread body of one HTTP/2 request
  uint32_t connection_window_bytes = 4 * 1024 * 1024;  // of all requests of one connection
  size_t write_buffer_bytes = 256 * 1024;              // response bytes of a stream that wait for the peer
  uint32_t resets_per_window = 200;  // streams that a client may reset (rapid reset) in reset_window
  Duration reset_window = std::chrono::seconds(10);
  Duration handshake_timeout = std::chrono::seconds(10);
  Duration header_timeout = std::chrono::seconds(32);  // from a request's first byte to its head's last
  Duration idle_timeout = std::chrono::seconds(120);   // a connection without requests
  Duration write_stall_timeout = std::chrono::seconds(60);
};

class ServerConnection;
class Stream;

/// Serves an HTTP/2 connection by other means than the Handler. `received`: bytes that were read already.
using Http2Factory =
    std::function<std::shared_ptr<ServerConnection>(std::unique_ptr<Stream> stream, std::string received)>;

struct ServerOptions {
  /// Where to listen: an address and port (0: the kernel chooses), or a unix socket where `unix_path` is set.
  SocketAddress address;
  std::string unix_path;
  /// More listeners on the same handler, e.g. for IPv6.
  std::vector<SocketAddress> more_addresses;
  /// Plain where null.
  std::shared_ptr<TlsServerConfig> tls;
  ServerLimits limits;
  /// For protocols that ride on HTTP/2, as gRPC; the Handler serves HTTP/1.1 alone then.
  Http2Factory http2;
};

class Server {
 public:
  /// `loops` is not empty and outlives the server; the first one accepts.
  Server(std::vector<runtime::EventLoop*> loops, ServerOptions options, Handler handler, Logger log);
  /// The server must not be running.
  ~Server();

  /// Binds and begins to accept.
  Result<> start();
  /// Where the first listener listens. After start().
  SocketAddress address() const;
  uint16_t port() const { return address().port; }
  size_t connection_count() const;

  /// Accepts no more, tells clients to go elsewhere (GOAWAY, Connection: close), waits up to `drain` for
  /// requests at hand, then cancels what is left. Returns when nothing runs. Any loop.
  runtime::Task<void> stop(Duration drain);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace cloudless::net
