// The server's side of gRPC: a client's HTTP/2 connection, each of its streams a call
// (grpc/doc/PROTOCOL-HTTP2.md).
//
//     unary:      HEADERS DATA(request) --------> its handler, once the request is there as a whole
//                 <-------- HEADERS DATA(response) HEADERS(grpc-status)
//     streaming:  HEADERS ----------------------> a task
//                 <-- DATA, as many as they like --> until it returns: HEADERS(grpc-status)
//
// Unary handlers start inside the reading of their bytes, without a change of threads: what one read brought
// goes to the store as one, and what the store commits as one goes out with one write. That, and that no
// call has a thread or a queue of its own, is why this is not the gRPC library: there a call that does
// nothing costs as much as a whole put does here.
//
// A call ends with its answer, whatever of its request is still to come, and at the deadline that its client
// named (grpc-timeout): what its method does then goes on, and its answer is dropped.
//
// All on the connection's loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "grpc/status.hpp"
#include "net/server.hpp"
#include "runtime/scope.hpp"

namespace cloudless::net {
class ServerConnection;
class Stream;
}  // namespace cloudless::net

namespace cloudless::grpc {

class Connection;
struct Call;

/// A message with its prefix (grpc/message.hpp), in as many pieces as it was made of.
using Message = std::vector<SharedBytes>;

/// Answers a unary call, once. A client that is gone is not an error.
class Reply {
 public:
  Reply(std::shared_ptr<Connection> connection, std::shared_ptr<Call> call)
      : connection_(std::move(connection)), call_(std::move(call)) {}

  void succeed(SharedBytes message);
  void refuse(const Status& status);

 private:
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Call> call_;
};

/// A streaming call, as its task sees it.
class ServerStream {
 public:
  ServerStream(std::shared_ptr<Connection> connection, std::shared_ptr<Call> call);
  ~ServerStream();
  ServerStream(const ServerStream&) = delete;
  ServerStream& operator=(const ServerStream&) = delete;

  /// The next message; nothing once the client has ended its side or is gone. An error where what comes is no
  /// message, or ends within one. One task at a time.
  runtime::Task<Result<std::optional<std::string>>> receive();
  /// Hands a message on; waits while the client takes none. False where the client is gone, or has waited as
  /// long as it would.
  runtime::Task<bool> send(Message message);
  /// Returns once the client is gone, or has waited as long as it would.
  runtime::Task<void> gone();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What a method does: one of the two. `unary` runs inside the connection's reading and does not block; the
/// request lives as long as the call of it.
struct Method {
  std::function<void(Reply reply, std::string_view request)> unary;
  std::function<runtime::Task<Result<>>(ServerStream& stream)> streaming;
};

/// By path: "/etcdserverpb.KV/Put".
using Methods = std::unordered_map<std::string, Method>;

struct ServerLimits {
  size_t request_bytes;  // of one message
};

/// What the connections of a server share. `scope` runs the streaming calls; all outlive the connections.
struct Service {
  Methods methods;
  ServerLimits limits;
  /// What a client is told for a method's error.
  Status (*status_of)(const Error&) = to_status;
  /// What streaming calls are told when the server stops: not "cancelled", which a client takes for its own
  /// doing.
  Status stopped{StatusCode::kUnavailable, "the server stops"};
  runtime::TaskScope& scope;
  Logger log;
};

/// For net::ServerOptions::http2.
std::shared_ptr<net::ServerConnection> make_connection(const Service& service,
                                                       std::unique_ptr<net::Stream> socket,
                                                       std::string received);

}  // namespace cloudless::grpc
