#include "net/server.hpp"

#include <unistd.h>

#include <atomic>
#include <ctime>
#include <list>
#include <mutex>

#include "net/server_connection.hpp"
#include "net/stream_internal.hpp"
#include "runtime/scope.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {

using runtime::EventLoop;
using runtime::Task;

namespace {

// After running out of descriptors: time for some to be closed.
constexpr Duration kAcceptPause = std::chrono::milliseconds(50);
// What an HTTP/2 client sends first (RFC 9113 section 3.4).
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace

Peer describe_peer(const Stream& stream) {
  Peer peer;
  peer.address = stream.peer().address.to_string();
  peer.port = stream.peer().port;
  peer.tls = stream.tls();
  peer.certificates = stream.peer_certificates();
  peer.certificate_error = stream.peer_certificate_error();
  return peer;
}

std::string http_date(WallTime time) {
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text.data(), size);
}

Task<void> run_handler(const ServerContext& context, Request request, ResponseWriter& response) {
  try {
    co_await context.handler(std::move(request), response);
  } catch (const std::exception& exception) {
    context.log.error("a handler ended by an exception", {{"what", exception.what()}});
  }
  // A handler that ends without a word is a bug of ours that the client should hear about.
  if (!response.started()) static_cast<void>(co_await response.respond(500, {}, {}));
}

struct Server::State : std::enable_shared_from_this<Server::State> {
  // A loop with the connections that live on it.
  struct Lane {
    Lane(EventLoop& home, const Logger& log) : loop(home), scope(home, log) {}
    EventLoop& loop;
    runtime::TaskScope scope;
    std::list<std::shared_ptr<ServerConnection>> connections;  // on the loop's thread
  };

  State(std::vector<EventLoop*> loops, ServerOptions server_options, Handler handler, Logger log)
      : options(std::move(server_options)),
        context(std::make_shared<ServerContext>(
            ServerContext{std::move(handler), options.limits, std::move(log)})),
        accepting(*loops.front(), context->log) {
    for (EventLoop* loop : loops) lanes.push_back(std::make_unique<Lane>(*loop, context->log));
  }

  Result<> listen() {
    EventLoop& loop = lanes.front()->loop;
    if (!options.unix_path.empty()) {
      listeners.push_back(TRY(TcpListener::listen_unix(loop, options.unix_path)));
    } else {
      listeners.push_back(TRY(TcpListener::listen(loop, options.address)));
    }
    for (const SocketAddress& address : options.more_addresses) {
      listeners.push_back(TRY(TcpListener::listen(loop, address)));
    }
    return {};
  }

  static Task<void> accept_all(std::shared_ptr<State> self, size_t listener) {
    for (;;) {
      const Result<int> fd = co_await self->listeners[listener].accept_fd();
      if (fd) {
        self->place(*fd);
      } else if (fd.error().code == Code::kResourceExhausted) {
        self->context->log.warn("cannot accept a connection", {{"error", fd.error()}});
        if (!co_await runtime::sleep_for(kAcceptPause)) co_return;
      } else {
        co_return;
      }
    }
  }

  void place(int fd) {
    if (connections.fetch_add(1) >= options.limits.connections) {
      connections.fetch_sub(1);
      ::close(fd);
      context->log.warn("connection limit reached; a connection was closed",
                        {{"limit", options.limits.connections}});
      return;
    }
    Lane& lane = *lanes[next_lane++ % lanes.size()];
    lane.scope.spawn(serve(shared_from_this(), lane, fd));
  }

  static Task<void> serve(std::shared_ptr<State> self, Lane& lane, int fd) {
    co_await self->serve_connection(lane, fd);
    self->connections.fetch_sub(1);
  }

  Task<void> serve_connection(Lane& lane, int fd) {
    Result<std::unique_ptr<Stream>> stream = co_await handshake(lane.loop, fd);
    if (!stream) {
      context->log.debug("TLS handshake failed", {{"error", stream.error()}});
      co_return;
    }
    std::string received;
    const bool http2 =
        (*stream)->alpn() == "h2" || (!(*stream)->tls() && co_await has_preface(**stream, received));
    const auto connection = make_connection(http2, std::move(*stream), std::move(received));
    const auto entry = lane.connections.insert(lane.connections.end(), connection);
    if (draining) connection->drain();
    co_await connection->run();
    lane.connections.erase(entry);
  }

  std::shared_ptr<ServerConnection> make_connection(bool http2, std::unique_ptr<Stream> stream,
                                                    std::string received) {
    if (!http2) return make_http1_connection(context, std::move(stream), std::move(received));
    if (options.http2) return options.http2(std::move(stream), std::move(received));
    return make_http2_connection(context, std::move(stream), std::move(received));
  }

  Task<Result<std::unique_ptr<Stream>>> handshake(EventLoop& loop, int fd) {
    if (!options.tls) co_return make_stream(loop, fd);
    co_return co_await runtime::with_timeout(options.limits.handshake_timeout, "TLS handshake",
                                             accept_tls(loop, fd, *options.tls));
  }

  // Looks at a plain connection's first bytes, as many as tell the protocols apart.
  Task<bool> has_preface(Stream& stream, std::string& received) {
    while (kPreface.starts_with(received) && received.size() < kPreface.size()) {
      const Result<bool> more = co_await runtime::with_timeout(
          options.limits.idle_timeout, "an idle connection", read_more(stream, received));
      if (!more || !*more) co_return false;
    }
    co_return received.starts_with(kPreface);
  }

  void drain_all() {
    draining = true;
    for (const auto& lane : lanes) {
      lane->loop.post([self = shared_from_this(), lane = lane.get()] {
        for (const auto& connection : lane->connections) connection->drain();
      });
    }
  }

  const ServerOptions options;
  const std::shared_ptr<const ServerContext> context;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::vector<TcpListener> listeners;
  runtime::TaskScope accepting;
  size_t next_lane = 0;
  std::atomic<size_t> connections{0};
  std::atomic<bool> draining{false};
};

Server::Server(std::vector<EventLoop*> loops, ServerOptions options, Handler handler, Logger log)
    : state_(std::make_shared<State>(std::move(loops), std::move(options), std::move(handler),
                                     std::move(log))) {}
Server::~Server() = default;

Result<> Server::start() {
  TRY(state_->listen());
  for (size_t i = 0; i < state_->listeners.size(); ++i) state_->accepting.spawn(State::accept_all(state_, i));
  return {};
}

SocketAddress Server::address() const {
  return state_->listeners.empty() ? SocketAddress() : state_->listeners.front().address();
}
size_t Server::connection_count() const { return state_->connections.load(); }

Task<void> Server::stop(Duration drain) {
  const std::shared_ptr<State> state = state_;
  const runtime::TaskContext context = co_await runtime::current_context();
  state->accepting.cancel();
  co_await state->accepting.join();
  state->drain_all();
  const SteadyTime end = context.executor->clock().steady_now() + drain;
  constexpr Duration kLook = std::chrono::milliseconds(10);
  while (state->connections > 0 && context.executor->clock().steady_now() < end) {
    if (!co_await runtime::sleep_for(kLook)) break;
  }
  for (const auto& lane : state->lanes) lane->scope.cancel();
  for (const auto& lane : state->lanes) co_await lane->scope.join();
  // The listeners' sockets are closed where they live.
  state->lanes.front()->loop.post([state] { state->listeners.clear(); });
}

}  // namespace cloudless::net
