#include "grpc/server.hpp"

#include <nghttp2/nghttp2.h>

#include <array>

#include "grpc/message.hpp"
#include "net/http2_connection.hpp"
#include "net/server_connection.hpp"
#include "runtime/completion.hpp"

namespace cloudless::grpc {

using runtime::Task;
namespace http2 = net::http2;

namespace {

using StreamPtr = std::shared_ptr<http2::Stream>;

// Pings and their patience as etcd's --grpc-keepalive-interval and -timeout have them. A client that takes
// nothing for the stall limit is dropped; it watches again from where it was. Clients cancel calls and
// watches by resets, so they may have many.
constexpr http2::Limits kLimits{.header_bytes = 16 * 1024,
                                .streams = 10'000,
                                .stream_window_bytes = 1 << 20,
                                .connection_window_bytes = 16 << 20,
                                .write_buffer_bytes = 1 << 20,
                                .write_stall_timeout = std::chrono::minutes(10),
                                .quiet_time = std::chrono::hours(2),
                                .ping_timeout = std::chrono::seconds(20),
                                .resets_per_window = 20'000,
                                .heads = http2::Heads::kAsTheyCome};

nghttp2_nv field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

net::Headers status_fields(const Status& status) {
  net::Headers fields;
  add_status(fields, status);
  return fields;
}

Status unknown_method(const std::string& path) {
  return {StatusCode::kUnimplemented, "unknown method " + path};
}

}  // namespace

class Connection final : public http2::Connection {
 public:
  Connection(const Service& service, std::unique_ptr<net::Stream> socket)
      : http2::Connection(http2::Role::kServer, std::move(socket), kLimits, service.log), service_(service) {}

  // The head of an answer whose status comes behind its messages.
  void begin_answer(http2::Stream& stream) {
    if (stream.closed || closed()) return;
    const std::array fields{field(":status", "200"), field("content-type", "application/grpc")};
    nghttp2_submit_response(session(), stream.id, fields.data(), fields.size(),
                            static_cast<const nghttp2_data_provider*>(http2::data_provider()));
    wake_writer();
  }
  void end_answer(http2::Stream& stream, const Status& status) {
    stream.trailers = status_fields(status);
    end(stream);
  }
  // An answer that is its status alone.
  void refuse(http2::Stream& stream, const Status& status) {
    net::Headers fields = status_fields(status);
    fields.add("content-type", "application/grpc");
    answer_head(stream, "200", fields);
  }

  size_t request_limit() const { return service_.limits.request_bytes; }

  // Told when a streaming call's client is gone.
  void watch_end(int32_t stream, runtime::Completion<bool> gone) { gone_.emplace(stream, std::move(gone)); }
  void forget(int32_t stream) { gone_.erase(stream); }

 private:
  struct Unary {
    const Method& method;
    MessageReader body;
  };

  void on_head(const StreamPtr& stream) override {
    const net::Headers& fields = stream->headers;
    if (stream->header_overflow) return answer_head(*stream, "431", {});
    if (!fields.get("content-type").value_or("").starts_with("application/grpc")) {
      return answer_head(*stream, "415", {});
    }
    const std::string& path = stream->pseudo[":path"];
    const auto method = service_.methods.find(path);
    if (method == service_.methods.end()) return refuse(*stream, unknown_method(path));
    if (method->second.unary) {
      unary_.emplace(stream->id, Unary{method->second, MessageReader(service_.limits.request_bytes)});
    } else {
      service_.scope.spawn(serve(self(), stream, method->second));
    }
  }

  bool take_piece(http2::Stream& stream, std::string_view piece) override {
    const auto call = unary_.find(stream.id);
    if (call == unary_.end()) return false;
    call->second.body.add(piece);
    return true;
  }

  void on_incoming(http2::Stream& stream) override {
    const auto call = unary_.find(stream.id);
    if (call == unary_.end()) return;
    Result<std::optional<std::string>> request = call->second.body.next();
    if (request && !*request) {
      if (!stream.incoming_ended) return;
      request = fail(Code::kInternal, "the call ended without a request");
    }
    const Method& method = call->second.method;
    unary_.erase(call);
    if (!request) return refuse(stream, service_.status_of(request.error()));
    method.unary(Reply(self(), streams().at(stream.id)), std::move(**request));
  }

  void on_closed(http2::Stream& stream) override {
    unary_.erase(stream.id);
    if (const auto found = gone_.find(stream.id); found != gone_.end()) found->second.complete(true);
  }

  bool on_quiet() override { return send_ping(); }

  static Task<void> serve(std::shared_ptr<Connection> self, StreamPtr stream, const Method& method) {
    self->begin_answer(*stream);
    Result<> served;
    {
      ServerStream call(self, stream);
      served = co_await method.streaming(call);
    }
    const Service& service = self->service_;
    self->end_answer(*stream, service.scope.cancelled() ? service.stopped
                              : served                  ? Status()
                                                        : service.status_of(served.error()));
  }

  void answer_head(http2::Stream& stream, std::string_view status, const net::Headers& fields) {
    if (stream.closed || closed()) return;
    http2::HeaderBlock block;
    block.add(":status", std::string(status));
    block.add_all(fields);
    nghttp2_submit_response(session(), stream.id, static_cast<const nghttp2_nv*>(block.native()),
                            block.size(), nullptr);
    wake_writer();
  }

  std::shared_ptr<Connection> self() { return std::static_pointer_cast<Connection>(shared_from_this()); }

  const Service& service_;
  std::unordered_map<int32_t, Unary> unary_;
  std::unordered_map<int32_t, runtime::Completion<bool>> gone_;
};

void Reply::succeed(SharedBytes message) {
  connection_->begin_answer(*stream_);
  connection_->put(*stream_, std::move(message));
  connection_->end_answer(*stream_, Status());
}

void Reply::refuse(const Status& status) { connection_->refuse(*stream_, status); }

struct ServerStream::State {
  std::shared_ptr<Connection> connection;
  StreamPtr stream;
  MessageReader incoming;
  runtime::Completion<bool> gone;
};

ServerStream::ServerStream(std::shared_ptr<Connection> connection, StreamPtr stream)
    : state_(std::make_unique<State>(
          State{connection, std::move(stream), MessageReader(connection->request_limit()), {}})) {
  state_->connection->watch_end(state_->stream->id, state_->gone);
  if (state_->stream->closed) state_->gone.complete(true);
}

ServerStream::~ServerStream() { state_->connection->forget(state_->stream->id); }

Task<Result<std::optional<std::string>>> ServerStream::receive() {
  for (;;) {
    if (auto message = CO_TRY(state_->incoming.next())) co_return message;
    const auto piece = co_await state_->connection->read(*state_->stream);
    if (!piece || !*piece) co_return std::optional<std::string>();
    state_->incoming.add(***piece);
  }
}

Task<bool> ServerStream::send(Message message) {
  if (!co_await state_->connection->room(*state_->stream)) co_return false;
  for (SharedBytes& piece : message) state_->connection->put(*state_->stream, std::move(piece));
  co_return true;
}

Task<void> ServerStream::gone() { static_cast<void>(co_await state_->gone.wait()); }

namespace {

// The interface that the server sees, beside the inheritance that nghttp2's side needs.
class ServedConnection final : public net::ServerConnection {
 public:
  ServedConnection(const Service& service, std::unique_ptr<net::Stream> socket, std::string received)
      : connection_(std::make_shared<Connection>(service, std::move(socket))),
        received_(std::move(received)) {}
  Task<void> run() override { co_return co_await connection_->run(std::move(received_)); }
  void drain() override { connection_->go_away(); }

 private:
  std::shared_ptr<Connection> connection_;
  std::string received_;
};

}  // namespace

std::shared_ptr<net::ServerConnection> make_connection(const Service& service,
                                                       std::unique_ptr<net::Stream> socket,
                                                       std::string received) {
  return std::make_shared<ServedConnection>(service, std::move(socket), std::move(received));
}

}  // namespace cloudless::grpc
