// Channel: calls to one gRPC server, as tasks, over net::HttpClient (grpc/doc/PROTOCOL-HTTP2.md).
//
//     unary:      HEADERS DATA(request) ------------------------------------>
//                 <------------------ HEADERS DATA(answer) HEADERS(grpc-status)
//     streaming:  HEADERS DATA(request) -- DATA, as many as they like ------>
//                 <-- HEADERS DATA, as many as they like -- HEADERS(grpc-status)
//     refused:    <----------------------------------- HEADERS(grpc-status)
//
// Calls share an HTTP/2 connection per event loop, which is made at first use and again when it has ended. A
// call that finds no connection fails at once with kUnavailable, as does every other until the back-off has
// passed; none is made a second time. Cancelling a task that waits for a call resets the call's stream, so
// the server hears of it.
//
// An error is what `error_of` makes of the server's status, or of the status that Go's client would give for
// what went wrong on the way; but kCancelled where the waiting task was cancelled.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "grpc/status.hpp"
#include "net/client.hpp"

namespace cloudless::grpc {

/// No bound on a message but that of its length field.
inline constexpr size_t kAnyMessage = 0xffffffff;

struct CallRules {
  size_t message_bytes = 4 << 20;  // of an answer's message, as gRPC's own default
  Error (*error_of)(const Status&) = to_error;
};

struct ChannelOptions {
  /// "http://host:port", "https://host:port" or "unix:///path".
  std::string target;
  /// For https; the system's CAs where null.
  std::shared_ptr<net::TlsClientConfig> tls;
  CallRules rules;
  Duration connect_timeout = std::chrono::seconds(20);
  Duration min_backoff = std::chrono::seconds(1);
  Duration max_backoff = std::chrono::seconds(120);
  /// A connection with calls that has been quiet for so long is probed, and ends when that is not answered.
  Duration ping_after = std::chrono::seconds(30);
  Duration ping_timeout = std::chrono::seconds(20);
};

struct CallOptions {
  /// The server is told of it, and we keep it. 0: none.
  Duration limit = Duration::zero();
  net::Headers metadata;
};

/// What a streaming call sends after its first message.
enum class Sending { kNothingMore, kMore };

/// A streaming call. On the loop that began it; destroying it cancels the call unless it has ended.
class ClientStream {
 public:
  /// Messages that wait for the server to take them.
  static constexpr size_t kQueuedMessages = 16;

  ~ClientStream();
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  /// The next message; nothing once the server has ended the call with OK. A cancelled task leaves; the next
  /// call gets what it waited for.
  runtime::Task<Result<std::optional<std::string>>> receive();
  /// Queues a message with its prefix. False where it is not Sending::kMore or the queue is full. Any thread.
  bool try_send(SharedBytes message);
  /// Nothing more will be sent. Any thread.
  void end_sending();

 private:
  friend class Channel;
  struct State;
  explicit ClientStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Channel {
 public:
  /// `resolver` outlives the channel. kInvalid for a target that is none. Connects at first use.
  static Result<std::unique_ptr<Channel>> make(ChannelOptions options, net::Resolver& resolver, Logger log);
  /// Over another transport, as tests have one.
  Channel(std::unique_ptr<net::Transport> transport, CallRules rules);
  /// Aborts its connections, which unwind on their loops.
  ~Channel();

  /// `method`: "/package.Service/Method"; `request`: a message with its prefix. The answer's message.
  runtime::Task<Result<std::string>> unary(std::string method, SharedBytes request, CallOptions options = {});
  /// Begins a streaming call with its first message and returns once the server has begun to answer: some do
  /// only when they have something to say. The limit is for that alone.
  runtime::Task<Result<std::unique_ptr<ClientStream>>> stream(std::string method, SharedBytes first,
                                                              Sending sending, CallOptions options = {});
  /// Returns once there is a connection on this loop. Where it fails, nothing was sent.
  runtime::Task<Result<>> connect();
  /// Aborts its connections and blocks, for at most `limit`, until they have unwound, so that their loops may
  /// end. On none of their threads.
  void close(Duration limit);

 private:
  runtime::Task<Result<net::Response>> begin(std::string method, std::unique_ptr<net::BodyReader> body,
                                             CallOptions options);
  runtime::Task<Result<std::string>> unlimited(std::string method, SharedBytes request, CallOptions options);

  const CallRules rules_;
  const std::unique_ptr<net::Transport> transport_;
  net::HttpClient* http_ = nullptr;  // the transport; null where it is another
};

}  // namespace cloudless::grpc
