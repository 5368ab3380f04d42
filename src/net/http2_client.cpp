// The client's side of an HTTP/2 connection.
#include <nghttp2/nghttp2.h>

#include "net/client_pool.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

// Streams have windows of their own; the connection's must not let one slow reader hold up the others.
constexpr uint32_t kConnectionWindowBytes = 1u << 30;

http2::Limits session_limits(const HttpClientOptions& options) {
  return {options.header_bytes,        0,
          options.stream_window_bytes, kConnectionWindowBytes,
          options.write_buffer_bytes,  options.write_stall_timeout,
          options.ping_after,          options.ping_timeout};
}

// Sends a request's body beside the response, which may come before the body's end.
Task<void> send_body(std::shared_ptr<http2::Connection> connection, std::shared_ptr<http2::Stream> stream,
                     std::unique_ptr<BodyReader> body) {
  for (;;) {
    auto piece = co_await body->next();
    if (!piece) co_return connection->reset(*stream, NGHTTP2_CANCEL);
    if (!*piece) break;
    if (!co_await connection->write(*stream, std::move(**piece))) co_return;
  }
  connection->end(*stream);
}

// Resets the stream unless the response came: what a cancelled or failed send() leaves behind.
class Abandon {
 public:
  Abandon(http2::Connection& connection, http2::Stream& stream) : connection_(connection), stream_(stream) {}
  ~Abandon() {
    if (armed_) connection_.reset(stream_, NGHTTP2_CANCEL);
  }
  void disarm() { armed_ = false; }

 private:
  http2::Connection& connection_;
  http2::Stream& stream_;
  bool armed_ = true;
};

}  // namespace

Http2Client::Http2Client(std::unique_ptr<Stream> stream, const HttpClientOptions& options, std::string scheme,
                         Logger log)
    : Connection(http2::Role::kClient, std::move(stream), session_limits(options), std::move(log)),
      scheme_(std::move(scheme)),
      idle_timeout_(options.idle_timeout),
      ping_after_(options.ping_after) {}

bool Http2Client::usable() const {
  return !closed() && nghttp2_session_check_request_allowed(session()) &&
         stream_count() <
             nghttp2_session_get_remote_settings(session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool Http2Client::on_quiet() {
  idle_for_ = stream_count() > 0 ? Duration() : idle_for_ + ping_after_;
  if (stream_count() == 0) return idle_for_ < idle_timeout_;
  return send_ping();
}

Result<std::shared_ptr<http2::Stream>> Http2Client::submit(const Request& request) {
  http2::HeaderBlock block;
  block.add(":method", request.method);
  block.add(":scheme", scheme_);
  block.add(":authority", std::string(request.headers.get("host").value_or("localhost")));
  block.add(":path", request.target);
  block.add_all(request.headers);
  auto stream = make_stream();
  stream->id = nghttp2_submit_request(
      session(), nullptr, static_cast<const nghttp2_nv*>(block.native()), block.size(),
      request.body ? static_cast<const nghttp2_data_provider*>(http2::data_provider()) : nullptr,
      stream.get());
  if (stream->id < 0) return fail(Code::kUnavailable, "HTTP/2: {}", nghttp2_strerror(stream->id));
  adopt(stream);
  return stream;
}

Task<Result<Response>> Http2Client::send(Request request) {
  const runtime::TaskContext context = co_await runtime::current_context();
  const std::shared_ptr<http2::Connection> self = shared_from_this();
  const std::shared_ptr<http2::Stream> stream = CO_TRY(submit(request));
  Abandon abandon(*this, *stream);
  if (request.body) {
    stream->sender =
        Background::start(*context.executor, send_body(self, stream, std::move(request.body)), log());
  }
  // Behind the body's first piece, so that a request whose body is there goes out with one write.
  wake_writer();
  while (!stream->head_complete && !stream->closed) CO_TRY(co_await stream->incoming_changed.wait());
  if (!stream->head_complete) {
    co_return fail(Code::kUnavailable, "{}: the connection ended before the response (HTTP/2 {})",
                   request.target, nghttp2_http2_strerror(stream->error_code));
  }
  if (stream->header_overflow) {
    co_return fail(Code::kResourceExhausted, "response header longer than {} bytes", limits().header_bytes);
  }
  abandon.disarm();
  Response response;
  response.status = stream->head.status;
  response.headers = std::move(stream->head.fields);
  response.body = http2::make_stream_body(self, stream, http2::Rest::kReset);
  co_return response;
}

}  // namespace cloudless::net
