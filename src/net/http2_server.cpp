// The server's side of an HTTP/2 connection: every stream is a request with a task of its own.
#include <nghttp2/nghttp2.h>

#include "net/http2_connection.hpp"
#include "net/server_connection.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

// A client with requests at hand that has been silent is asked whether it lives, and has so long to answer.
constexpr Duration kPingTimeout = std::chrono::seconds(15);

// A request and its answer.
struct Exchange final : http2::Stream {
  runtime::CancelState* handler = nullptr;  // while it runs
};

using ExchangePtr = std::shared_ptr<Exchange>;

class Http2Connection;

class Writer final : public ResponseWriter {
 public:
  Writer(std::shared_ptr<Http2Connection> connection, ExchangePtr stream, std::string date)
      : connection_(std::move(connection)), stream_(std::move(stream)), date_(std::move(date)) {}

  Task<Result<>> start(int status, Headers headers) override;
  Task<Result<>> write(SharedBytes piece) override;
  Task<Result<>> finish() override;
  Task<Result<>> respond(int status, Headers headers, std::vector<SharedBytes> body) override;
  Task<Result<std::unique_ptr<ByteStream>>> upgrade(Headers) override {
    co_return fail(Code::kUnimplemented, "an HTTP/2 stream cannot be upgraded");
  }
  bool started() const override { return started_; }
  bool finished() const { return finished_; }

 private:
  enum class Body { kNone, kFollows };
  Result<> submit(int status, Headers headers, Body body);

  std::shared_ptr<Http2Connection> connection_;
  ExchangePtr stream_;
  const std::string date_;
  bool started_ = false;
  bool finished_ = false;
  bool has_body_ = false;
};

http2::Limits session_limits(const ServerLimits& limits) {
  return {limits.header_bytes,        limits.streams,
          limits.stream_window_bytes, limits.connection_window_bytes,
          limits.write_buffer_bytes,  limits.write_stall_timeout,
          limits.idle_timeout,        kPingTimeout,
          limits.resets_per_window,   limits.reset_window};
}

class Http2Connection final : public http2::Connection {
 public:
  Http2Connection(std::shared_ptr<const ServerContext> context, std::unique_ptr<net::Stream> stream)
      : Connection(http2::Role::kServer, std::move(stream), session_limits(context->limits), context->log),
        context_(std::move(context)) {
    peer_ = describe_peer(socket());
  }

  Task<void> serve(std::string received) {
    const runtime::TaskContext context = co_await runtime::current_context();
    executor_ = context.executor;
    co_await run(std::move(received));
    while (handlers_ > 0) {
      static_cast<void>(co_await runtime::run_in({context.executor, nullptr}, handler_ended_.wait()));
    }
  }

  Result<> submit_response(http2::Stream& stream, http2::HeaderBlock& block, bool has_body) {
    if (stream.closed || closed()) return fail(Code::kUnavailable, "the client has gone");
    const int status = nghttp2_submit_response(
        session(), stream.id, static_cast<const nghttp2_nv*>(block.native()), block.size(),
        has_body ? static_cast<const nghttp2_data_provider*>(http2::data_provider()) : nullptr);
    wake_writer();
    if (status != 0) return fail(Code::kUnavailable, "HTTP/2: {}", nghttp2_strerror(status));
    stream.end_sent = !has_body;
    return {};
  }

 private:
  std::shared_ptr<http2::Stream> make_stream() override { return std::make_shared<Exchange>(); }

  void on_head(http2::Stream& stream) override {
    // A client that opens and resets streams leaves handlers behind that still unwind: they count, too.
    if (handlers_ >= size_t{context_->limits.streams} * 2) return go_away_from_abuse();
    ++handlers_;
    Background::start(*executor_,
                      handle(std::static_pointer_cast<Http2Connection>(shared_from_this()),
                             std::static_pointer_cast<Exchange>(pointer_to(stream))),
                      log())
        .detach();
  }

  void on_closed(http2::Stream& stream) override {
    runtime::CancelState* const handler = static_cast<Exchange&>(stream).handler;
    if (handler && !stream.outgoing_ended) handler->cancel();
  }

  bool on_quiet() override { return stream_count() > 0 && send_ping(); }

  static Task<void> handle(std::shared_ptr<Http2Connection> self, ExchangePtr stream) {
    const runtime::TaskContext context = co_await runtime::current_context();
    {
      runtime::CancelState cancel;
      if (stream->closed) cancel.cancel();
      stream->handler = &cancel;
      co_await self->serve_stream(stream, cancel, context);
      stream->handler = nullptr;
    }
    --self->handlers_;
    self->handler_ended_.notify();
  }

  Task<void> serve_stream(ExchangePtr stream, runtime::CancelState& cancel, runtime::TaskContext context) {
    Writer writer(std::static_pointer_cast<Http2Connection>(shared_from_this()), stream,
                  http_date(context.executor->clock().wall_now()));
    if (stream->header_overflow) {
      static_cast<void>(co_await writer.respond(431, {}, {}));
    } else {
      co_await runtime::run_in({context.executor, &cancel},
                               run_handler(*context_, make_request(stream), writer));
    }
    if (!writer.finished()) {
      reset(*stream, NGHTTP2_INTERNAL_ERROR);
      co_return;
    }
    const Result<> sent = co_await drained(*stream);
    if (!sent) {
      reset(*stream, NGHTTP2_CANCEL);
      co_return;
    }
    // The rest of an upload that the handler did not want (RFC 9113 section 8.1).
    if (!stream->incoming_ended) reset(*stream, NGHTTP2_NO_ERROR);
  }

  Request make_request(const ExchangePtr& stream) {
    http2::Head& head = stream->head;
    Request request;
    request.method = head.method;
    request.target = std::move(head.path);
    request.headers = std::move(head.fields);
    if (!request.headers.get("host")) request.headers.add("host", std::move(head.authority));
    request.peer = peer_;
    if (!stream->incoming_ended || !stream->incoming.empty()) {
      request.body = http2::make_stream_body(shared_from_this(), stream, http2::Rest::kKeep);
    }
    return request;
  }

  std::shared_ptr<const ServerContext> context_;
  runtime::Executor* executor_ = nullptr;
  Peer peer_;
  size_t handlers_ = 0;
  runtime::Signal handler_ended_;
};

Result<> Writer::submit(int status, Headers headers, Body body) {
  if (started_) return fail(Code::kInternal, "the response was started before");
  started_ = true;
  has_body_ = body == Body::kFollows && stream_->head.method != "HEAD" && status != 204 && status != 304;
  http2::HeaderBlock block;
  block.add(":status", fmt::format("{}", status));
  block.add_all(headers);
  if (!headers.get("date")) block.add("date", date_);
  return connection_->submit_response(*stream_, block, has_body_);
}

Task<Result<>> Writer::start(int status, Headers headers) {
  co_return submit(status, std::move(headers), Body::kFollows);
}

Task<Result<>> Writer::write(SharedBytes piece) {
  if (!started_ || finished_) co_return fail(Code::kInternal, "the response is not open");
  if (!has_body_) co_return Result<>();
  co_return co_await connection_->write(*stream_, std::move(piece));
}

Task<Result<>> Writer::finish() {
  if (!started_ || finished_) co_return fail(Code::kInternal, "the response is not open");
  finished_ = true;
  connection_->end(*stream_);
  co_return Result<>();
}

Task<Result<>> Writer::respond(int status, Headers headers, std::vector<SharedBytes> body) {
  size_t size = 0;
  for (const SharedBytes& piece : body) size += view(piece).size();
  if (!headers.get("content-length") && status != 204 && status != 304) {
    headers.add("content-length", fmt::format("{}", size));
  }
  CO_TRY(submit(status, std::move(headers), size > 0 ? Body::kFollows : Body::kNone));
  if (has_body_) {
    for (SharedBytes& piece : body) CO_TRY(co_await connection_->write(*stream_, std::move(piece)));
  }
  co_return co_await finish();
}

// The interface that the server sees, beside the inheritance that nghttp2's side needs.
class Http2ServerConnection final : public ServerConnection {
 public:
  Http2ServerConnection(std::shared_ptr<const ServerContext> context, std::unique_ptr<net::Stream> stream,
                        std::string received)
      : connection_(std::make_shared<Http2Connection>(std::move(context), std::move(stream))),
        received_(std::move(received)) {}
  Task<void> run() override { co_return co_await connection_->serve(std::move(received_)); }
  void drain() override { connection_->go_away(); }

 private:
  std::shared_ptr<Http2Connection> connection_;
  std::string received_;
};

}  // namespace

std::shared_ptr<ServerConnection> make_http2_connection(std::shared_ptr<const ServerContext> context,
                                                        std::unique_ptr<Stream> stream,
                                                        std::string received) {
  return std::make_shared<Http2ServerConnection>(std::move(context), std::move(stream), std::move(received));
}

}  // namespace cloudless::net
