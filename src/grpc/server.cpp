#include "grpc/server.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>

#include "grpc/message.hpp"
#include "grpc/timeout.hpp"
#include "net/http2_connection.hpp"
#include "net/server_connection.hpp"
#include "runtime/completion.hpp"

namespace cloudless::grpc {

using runtime::Task;
namespace http2 = net::http2;

namespace {

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

constexpr std::string_view kContentType = "application/grpc";
constexpr SteadyTime kNever = SteadyTime::max();

bool is_grpc_type(std::string_view type) {
  if (!type.starts_with(kContentType)) return false;
  type.remove_prefix(kContentType.size());
  return type.empty() || type.front() == '+' || type.front() == ';';
}

// What follows is said in the words of Go's gRPC, which is what etcd's clients know.

Status no_grpc(std::string_view content_type) {
  return {StatusCode::kInvalidArgument,
          fmt::format("invalid gRPC request content-type \"{}\"", content_type)};
}

Status unknown_method(const Methods& methods, std::string_view path) {
  const size_t slash = path.rfind('/');
  if (!path.starts_with('/') || slash == 0) {
    return {StatusCode::kUnimplemented, fmt::format("malformed method name: \"{}\"", path)};
  }
  const std::string_view service = path.substr(0, slash + 1);
  const bool known =
      std::ranges::any_of(methods, [&](const auto& method) { return method.first.starts_with(service); });
  const std::string_view name = service.substr(1, slash - 1);
  return {StatusCode::kUnimplemented,
          known ? fmt::format("unknown method {} for service {}", path.substr(slash + 1), name)
                : fmt::format("unknown service {}", name)};
}

Status no_decompressor(std::string_view encoding) {
  return {StatusCode::kUnimplemented,
          fmt::format("grpc: Decompressor is not installed for grpc-encoding \"{}\"", encoding)};
}

Status deadline_exceeded() { return {StatusCode::kDeadlineExceeded, "context deadline exceeded"}; }

// Where a request ends before its message.
Status cut_short(const MessageReader& messages) {
  return {StatusCode::kUnknown, messages.empty() ? "EOF" : "unexpected EOF"};
}

}  // namespace

/// A stream as a call: from on_head() on it is either unary, streaming or refused.
struct Call final : http2::Stream {
  explicit Call(size_t request_bytes) : incoming_messages(request_bytes) {}

  std::string path;
  bool is_grpc = false;                // by its content-type
  std::string other_type;              // a content-type that is not gRPC's
  std::string encoding;                // of compressed messages; mostly none
  std::optional<std::string> timeout;  // as it came
  SteadyTime deadline = kNever;
  const Method* unary = nullptr;  // until its request has come as a whole
  bool streaming = false;
  bool answered = false;  // all that will be said is submitted
  MessageReader incoming_messages;
  std::optional<runtime::Completion<bool>> gone;  // a streaming call's
  Status status;                                  // how it ended
};

class Connection final : public http2::Connection {
 public:
  Connection(const Service& service, std::unique_ptr<net::Stream> socket)
      : http2::Connection(http2::Role::kServer, std::move(socket), kLimits, service.log), service_(service) {}

  ~Connection() override {
    if (timer_) executor().cancel(timer_);
  }

  // The head of an answer whose status comes behind its messages.
  void begin_answer(Call& call) {
    const std::array fields{field(":status", "200"), field("content-type", kContentType)};
    submit(call, fields, static_cast<const nghttp2_data_provider*>(http2::data_provider()));
  }
  void end_answer(Call& call, Status status) {
    if (std::exchange(call.answered, true)) return;
    call.status = std::move(status);
    end(call);
  }
  // An answer of one message.
  void answer(Call& call, SharedBytes message) {
    if (std::exchange(call.answered, true)) return;
    queue(call, std::move(message));
    call.outgoing_ended = true;
    begin_answer(call);
  }
  // An answer that is its status alone.
  void refuse(Call& call, const Status& status, std::string_view http_status = "200") {
    if (std::exchange(call.answered, true)) return;
    const StatusFields text(status);
    const std::array fields{field(":status", http_status), field("content-type", kContentType),
                            field(kStatusField, text.code), field(kMessageField, text.message)};
    submit(call, std::span(fields).first(text.message.empty() ? 3 : 4), nullptr);
  }

 private:
  std::shared_ptr<http2::Stream> make_stream() override {
    return std::make_shared<Call>(service_.limits.request_bytes);
  }

  void on_field(http2::Stream& stream, std::string_view name, std::string_view value) override {
    Call& call = static_cast<Call&>(stream);
    // By length first: this sees every field of every call.
    switch (name.size()) {
      case 5:
        if (name == ":path") call.path = value;
        break;
      case 12:
        if (name == "content-type") {
          call.is_grpc = is_grpc_type(value);
          if (!call.is_grpc) call.other_type = value;
        } else if (name == "grpc-timeout") {
          call.timeout = value;
        }
        break;
      case 13:
        if (name == "grpc-encoding" && value != "identity") call.encoding = value;
        break;
      default:
        break;
    }
  }

  void on_head(http2::Stream& stream) override {
    Call& call = static_cast<Call&>(stream);
    if (call.header_overflow) return refuse(call, head_too_long(), "431");
    if (!call.is_grpc) return refuse(call, no_grpc(call.other_type), "415");
    if (call.timeout && !set_deadline(call)) return;
    const auto method = service_.methods.find(call.path);
    if (method == service_.methods.end()) return refuse(call, unknown_method(service_.methods, call.path));
    if (!call.encoding.empty()) return refuse(call, no_decompressor(call.encoding));
    if (method->second.unary) {
      call.unary = &method->second;
    } else {
      call.streaming = true;
      begin_answer(call);
      service_.scope.spawn(serve(self(), pointer_to(call), method->second));
    }
  }

  bool take_piece(http2::Stream& stream, std::string_view piece) override {
    Call& call = static_cast<Call&>(stream);
    if (call.streaming) return call.answered;
    if (!call.unary) return true;  // nobody wants it
    const auto request = call.incoming_messages.next(piece);
    if (request && !*request) return true;
    const Method& method = *std::exchange(call.unary, nullptr);
    if (request) {
      method.unary(Reply(self(), pointer_to(call)), **request);
    } else {
      refuse(call, service_.status_of(request.error()));
    }
    return true;
  }

  void on_end(http2::Stream& stream) override {
    Call& call = static_cast<Call&>(stream);
    if (!std::exchange(call.unary, nullptr)) return;
    refuse(call, cut_short(call.incoming_messages));
  }

  bool submit_trailers(http2::Stream& stream) override {
    const StatusFields text(static_cast<Call&>(stream).status);
    const std::array fields{field(kStatusField, text.code), field(kMessageField, text.message)};
    nghttp2_submit_trailer(session(), stream.id, fields.data(), text.message.empty() ? 1 : 2);
    return true;
  }

  // The rest of a request that the answer did not wait for (RFC 9113 section 8.1).
  void on_end_sent(http2::Stream& stream) override {
    if (!stream.incoming_ended) reset(stream, NGHTTP2_NO_ERROR);
  }

  void on_closed(http2::Stream& stream) override {
    const Call& call = static_cast<Call&>(stream);
    if (call.gone) call.gone->complete(true);
  }

  bool on_quiet() override { return send_ping(); }

  static Task<void> serve(std::shared_ptr<Connection> self, std::shared_ptr<Call> call,
                          const Method& method) {
    Result<> served;
    {
      ServerStream stream(self, call);
      served = co_await method.streaming(stream);
    }
    const Service& service = self->service_;
    self->end_answer(*call, service.scope.cancelled() ? service.stopped
                            : served                  ? Status()
                                                      : service.status_of(served.error()));
  }

  Status head_too_long() const {
    return {StatusCode::kResourceExhausted,
            fmt::format("the fields of the call are longer than {} bytes", limits().header_bytes)};
  }

  // False where the call is refused.
  bool set_deadline(Call& call) {
    const Result<Duration> timeout = parse_timeout(*call.timeout);
    if (!timeout) {
      refuse(call, {StatusCode::kInternal, "malformed grpc-timeout: " + timeout.error().message}, "400");
      return false;
    }
    if (*timeout == Duration::zero()) {
      refuse(call, deadline_exceeded());
      return false;
    }
    call.deadline = executor().clock().steady_now() + *timeout;
    if (call.deadline < next_deadline_) arm(call.deadline);
    return true;
  }

  // One timer for all calls, for the nearest of their deadlines: a call whose deadline is later than that of
  // another costs no timer.
  void arm(SteadyTime deadline) {
    if (timer_) executor().cancel(timer_);
    next_deadline_ = deadline;
    timer_ = executor().call_after(deadline - executor().clock().steady_now(),
                                   [this] { end_calls_past_deadline(); });
  }

  void end_calls_past_deadline() {
    timer_ = 0;
    next_deadline_ = kNever;
    const SteadyTime now = executor().clock().steady_now();
    SteadyTime next = kNever;
    for (const auto& stream : streams()) {
      Call& call = static_cast<Call&>(*stream);
      if (call.answered) continue;
      if (call.deadline <= now) {
        give_up(call);
      } else {
        next = std::min(next, call.deadline);
      }
    }
    if (next != kNever) arm(next);
  }

  // What the call's method does goes on, but nobody hears of it.
  void give_up(Call& call) {
    call.unary = nullptr;
    if (!call.streaming) return refuse(call, deadline_exceeded());
    const bool takes = call.outgoing_bytes == 0;
    end_answer(call, deadline_exceeded());
    // Behind messages that the client does not take, the status would not reach it either.
    if (!takes) reset(call, NGHTTP2_CANCEL);
    if (call.gone) call.gone->complete(true);
  }

  runtime::Executor& executor() const { return service_.scope.executor(); }

  void submit(Call& call, std::span<const nghttp2_nv> fields, const nghttp2_data_provider* body) {
    if (call.closed || closed()) return;
    nghttp2_submit_response(session(), call.id, fields.data(), fields.size(), body);
    wake_writer();
  }

  std::shared_ptr<Connection> self() { return std::static_pointer_cast<Connection>(shared_from_this()); }
  std::shared_ptr<Call> pointer_to(const Call& call) const {
    return std::static_pointer_cast<Call>(http2::Connection::pointer_to(call));
  }

  const Service& service_;
  SteadyTime next_deadline_ = kNever;  // of a call; the timer's
  runtime::Executor::TimerId timer_ = 0;
};

void Reply::succeed(SharedBytes message) { connection_->answer(*call_, std::move(message)); }
void Reply::refuse(const Status& status) { connection_->refuse(*call_, status); }

struct ServerStream::State {
  std::shared_ptr<Connection> connection;
  std::shared_ptr<Call> call;
  SharedBytes piece;
  std::string_view rest;  // of the piece
  runtime::Completion<bool> gone;
};

ServerStream::ServerStream(std::shared_ptr<Connection> connection, std::shared_ptr<Call> call)
    : state_(std::make_unique<State>(State{std::move(connection), std::move(call), nullptr, {}, {}})) {
  state_->call->gone = state_->gone;
  if (state_->call->closed || state_->call->answered) state_->gone.complete(true);
}

ServerStream::~ServerStream() = default;

Task<Result<std::optional<std::string>>> ServerStream::receive() {
  for (;;) {
    if (const auto message = CO_TRY(state_->call->incoming_messages.next(state_->rest))) {
      co_return std::string(*message);
    }
    auto piece = co_await state_->connection->read(*state_->call);
    if (!piece) co_return std::optional<std::string>();
    if (!*piece) {
      if (!state_->call->incoming_messages.empty()) co_return fail(Code::kInternal, "unexpected EOF");
      co_return std::optional<std::string>();
    }
    state_->piece = std::move(**piece);
    state_->rest = *state_->piece;
  }
}

Task<bool> ServerStream::send(Message message) {
  if (!co_await state_->connection->room(*state_->call) || state_->call->answered) co_return false;
  for (SharedBytes& piece : message) state_->connection->put(*state_->call, std::move(piece));
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
