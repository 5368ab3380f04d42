// The server's side of an HTTP/1.1 connection: one request after another. While a handler runs and the body
// has been read, a watcher reads ahead (bounded), so that a peer that goes away cancels the handler.
#include "base/strings.hpp"
#include "net/background.hpp"
#include "net/http1_link.hpp"
#include "net/server_connection.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

// Pipelined requests that are read ahead while one is served.
constexpr size_t kPipelineBytes = 64 * 1024;
// What is left of a body that the handler did not read is skipped up to here; past it the connection closes.
constexpr size_t kSkipBodyBytes = 256 * 1024;
// How long all of that may take.
constexpr Duration kLingerTime = std::chrono::seconds(2);

bool bodiless(int status) { return status < 200 || status == 204 || status == 304; }

// The handler's view of the body, which the connection shares to skip what the handler leaves. Sends `100
// Continue` when the handler first asks, where the client waits for it.
class RequestBody final : public BodyReader {
 public:
  RequestBody(std::shared_ptr<http1::Link> link, std::shared_ptr<http1::Body> body, bool expected)
      : link_(std::move(link)), body_(std::move(body)), continue_due_(expected) {}
  Task<Result<std::optional<SharedBytes>>> next() override {
    if (std::exchange(continue_due_, false)) {
      CO_TRY(co_await link_->stream->write("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    co_return co_await body_->next();
  }

 private:
  std::shared_ptr<http1::Link> link_;
  std::shared_ptr<http1::Body> body_;
  bool continue_due_;
};

// What the request being served shares with its watcher and its body.
struct Exchange {
  runtime::Signal body_ended;
  runtime::Signal watcher_ended;
  runtime::CancelState cancel;
  bool body_complete = false;
  bool peer_gone = false;
};

class Writer final : public ResponseWriter {
 public:
  Writer(std::shared_ptr<http1::Link> link, const http1::RequestHead& head, std::string date, bool keep_alive)
      : link_(std::move(link)),
        head_request_(head.method == "HEAD"),
        minor_version_(head.minor_version),
        date_(std::move(date)),
        keep_alive_(keep_alive && http1::keeps_alive(head.minor_version, head.headers)) {}

  Task<Result<>> start(int status, Headers headers) override {
    if (started_) co_return fail(Code::kInternal, "the response was started before");
    started_ = true;
    has_body_ = !head_request_ && !bodiless(status);
    chunked_ = has_body_ && !headers.get("content-length") && minor_version_ == 1;
    if (chunked_) headers.set("Transfer-Encoding", "chunked");
    if (has_body_ && !chunked_ && !headers.get("content-length")) keep_alive_ = false;
    co_return co_await link_->stream->write(head_text(status, std::move(headers)));
  }

  Task<Result<>> write(SharedBytes piece) override {
    if (!started_ || finished_) co_return fail(Code::kInternal, "the response is not open");
    const std::string_view bytes = view(piece);
    if (!has_body_ || bytes.empty()) co_return Result<>();
    if (!chunked_) co_return co_await link_->stream->write_all(std::span(&bytes, 1));
    const std::string head = http1::chunk_head(bytes.size());
    const std::array<std::string_view, 3> pieces = {head, bytes, "\r\n"};
    co_return co_await link_->stream->write_all(pieces);
  }

  Task<Result<>> finish() override {
    if (!started_ || finished_) co_return fail(Code::kInternal, "the response is not open");
    if (chunked_) CO_TRY(co_await link_->stream->write("0\r\n\r\n"));
    finished_ = true;
    co_return Result<>();
  }

  Task<Result<>> respond(int status, Headers headers, std::vector<SharedBytes> body) override {
    if (started_) co_return fail(Code::kInternal, "the response was started before");
    started_ = true;
    size_t size = 0;
    for (const SharedBytes& piece : body) size += view(piece).size();
    if (!bodiless(status) && !headers.get("content-length"))
      headers.add("Content-Length", fmt::format("{}", size));
    const std::string head = head_text(status, std::move(headers));
    std::vector<std::string_view> pieces = {head};
    if (!head_request_ && !bodiless(status)) {
      for (const SharedBytes& piece : body) pieces.push_back(view(piece));
    }
    CO_TRY(co_await link_->stream->write_all(pieces));
    finished_ = true;
    co_return Result<>();
  }

  Task<Result<std::unique_ptr<ByteStream>>> upgrade(Headers headers) override {
    if (started_) co_return fail(Code::kInternal, "the response was started before");
    if (!take_over_) co_return fail(Code::kUnimplemented, "this request cannot be upgraded");
    started_ = finished_ = true;
    keep_alive_ = false;
    CO_TRY(co_await take_over_());
    CO_TRY(co_await link_->stream->write(http1::write_response_head(101, headers)));
    upgraded_ = true;
    co_return http1::make_upgraded(link_);
  }

  bool started() const override { return started_; }
  bool finished() const { return finished_; }
  bool upgraded() const { return upgraded_; }
  bool keep_alive() const { return keep_alive_; }
  void close_after() { keep_alive_ = false; }
  /// Called before the connection is handed over: ends the watcher.
  void on_upgrade(std::function<Task<Result<>>()> take_over) { take_over_ = std::move(take_over); }

 private:
  std::string head_text(int status, Headers headers) {
    if (!headers.get("date")) headers.add("Date", date_);
    if (http1::has_token(headers, "connection", "close")) keep_alive_ = false;
    if (!keep_alive_) {
      headers.set("Connection", "close");
    } else if (minor_version_ == 0) {
      headers.set("Connection", "keep-alive");
    }
    return http1::write_response_head(status, headers);
  }

  std::shared_ptr<http1::Link> link_;
  const bool head_request_;
  const int minor_version_;
  const std::string date_;
  bool keep_alive_;
  bool started_ = false;
  bool finished_ = false;
  bool upgraded_ = false;
  bool has_body_ = false;
  bool chunked_ = false;
  std::function<Task<Result<>>()> take_over_;
};

// Reads ahead until the read buffer is full, the peer goes, or the request has been served.
Task<void> watch_peer(http1::Link& link, Exchange& exchange) {
  Result<> ready = exchange.body_complete ? Result<>() : co_await exchange.body_ended.wait();
  while (ready && link.buffer.size() < kPipelineBytes) {
    const Result<bool> more = co_await link.fill();
    if (more && *more) continue;
    if (!more && more.error().code == Code::kCancelled) break;
    exchange.peer_gone = true;
    exchange.cancel.cancel();
    break;
  }
  exchange.watcher_ended.notify();
}

Task<Result<>> end_watcher(Background& watcher, Exchange& exchange, bool& ended) {
  if (std::exchange(ended, true)) co_return Result<>();
  const runtime::TaskContext context = co_await runtime::current_context();
  watcher.cancel();
  // The watcher refers to this connection's frame, so it is awaited even where the request is cancelled.
  co_return co_await runtime::run_in({context.executor, nullptr}, exchange.watcher_ended.wait());
}

class Http1Connection final : public ServerConnection {
 public:
  Http1Connection(std::shared_ptr<const ServerContext> context, std::unique_ptr<Stream> stream,
                  std::string received)
      : context_(std::move(context)),
        link_(std::make_shared<http1::Link>(std::move(stream), std::move(received))) {
    link_->stream->set_write_stall_limit(context_->limits.write_stall_timeout);
    peer_ = describe_peer(*link_->stream);
  }

  Task<void> run() override {
    while (co_await serve_one()) {
    }
  }

  void drain() override {
    draining_ = true;
    if (waiting_) link_->stream->abort();
  }

 private:
  /// True where another request may follow.
  Task<bool> serve_one() {
    const Result<std::optional<std::string>> text = co_await next_head();
    if (!text) co_return co_await refuse(text.error());
    if (!*text) co_return false;
    Result<http1::RequestHead> head = http1::parse_request_head(**text);
    if (!head) co_return co_await refuse(head.error());
    const Result<http1::Framing> framing = http1::request_framing(*head);
    if (!framing) co_return co_await refuse(framing.error());
    if (head->minor_version == 1 && head->headers.all("host").size() != 1) {
      co_return co_await refuse(Error{Code::kInvalid, "missing required Host header"});
    }
    co_return co_await serve(std::move(*head), *framing);
  }

  Task<Result<std::optional<std::string>>> next_head() {
    waiting_ = link_->buffer.empty();
    if (waiting_) {
      if (draining_) co_return std::optional<std::string>();
      const Result<bool> more =
          co_await runtime::with_timeout(context_->limits.idle_timeout, "an idle connection", link_->fill());
      waiting_ = false;
      if (!more || !*more) co_return std::optional<std::string>();
    }
    co_return co_await runtime::with_timeout(context_->limits.header_timeout, "reading the request's header",
                                             link_->read_head(context_->limits.header_bytes));
  }

  // Answers what is no request, as far as the peer still listens.
  Task<bool> refuse(Error error) {
    int status = 400;
    if (error.code == Code::kResourceExhausted) status = 431;
    if (error.code == Code::kDeadlineExceeded) status = 408;
    if (error.code == Code::kUnavailable || error.code == Code::kCancelled) co_return false;
    const std::string body = fmt::format("{} {}: {}", status, http1::reason_phrase(status), error.message);
    const Headers headers{{"Content-Type", "text/plain; charset=utf-8"},
                          {"Connection", "close"},
                          {"Content-Length", fmt::format("{}", body.size())}};
    static_cast<void>(co_await link_->stream->write(http1::write_response_head(status, headers) + body));
    co_await linger();
    co_return false;
  }

  // Closing with bytes unread would reset the connection and take the answer with it.
  Task<void> linger() {
    static_cast<void>(co_await link_->stream->close_write());
    static_cast<void>(co_await runtime::with_timeout(kLingerTime, "lingering", discard(*link_)));
  }

  static Task<Result<>> discard(http1::Link& link) {
    for (size_t skipped = 0; skipped < kSkipBodyBytes; skipped += link.buffer.size()) {
      link.buffer.clear();
      if (!CO_TRY(co_await link.fill())) break;
    }
    co_return Result<>();
  }

  Task<bool> serve(http1::RequestHead head, http1::Framing framing) {
    const runtime::TaskContext context = co_await runtime::current_context();
    const auto exchange = std::make_shared<Exchange>();
    Writer writer(link_, head, http_date(context.executor->clock().wall_now()), !draining_);
    const bool expected = http1::has_token(head.headers, "expect", "100-continue");
    const std::shared_ptr<http1::Body> body = make_body(framing, exchange);
    Request request;
    request.method = std::move(head.method);
    request.target = std::move(head.target);
    request.headers = std::move(head.headers);
    request.peer = peer_;
    if (body) request.body = std::make_unique<RequestBody>(link_, body, expected);

    const runtime::LinkedCancel link(context.cancel, exchange->cancel);
    Background watcher = Background::start(*context.executor, watch_peer(*link_, *exchange), context_->log);
    bool watcher_ended = false;
    writer.on_upgrade([&] { return end_watcher(watcher, *exchange, watcher_ended); });
    co_await runtime::run_in({context.executor, &exchange->cancel},
                             run_handler(*context_, std::move(request), writer));
    static_cast<void>(co_await end_watcher(watcher, *exchange, watcher_ended));
    if (writer.upgraded()) co_return false;
    if (!writer.finished()) link_->stream->abort();
    if (!writer.finished() || exchange->peer_gone || context.cancelled()) co_return false;
    // A client that waits for 100 Continue has not sent its body.
    if (body && !expected) {
      static_cast<void>(co_await runtime::with_timeout(kLingerTime, "skipping a body", skip(*body)));
    }
    const bool clean = exchange->body_complete;
    if (!clean) co_await linger();
    co_return clean&& writer.keep_alive() && !draining_;
  }

  static Task<Result<>> skip(http1::Body& body) {
    for (size_t skipped = 0; skipped < kSkipBodyBytes;) {
      const std::optional<SharedBytes> piece = CO_TRY(co_await body.next());
      if (!piece) break;
      skipped += (*piece)->size();
    }
    co_return Result<>();
  }

  // Null for a request without a body.
  std::shared_ptr<http1::Body> make_body(http1::Framing framing, const std::shared_ptr<Exchange>& exchange) {
    exchange->body_complete = framing.kind == http1::Framing::Kind::kNone;
    if (exchange->body_complete) return nullptr;
    return std::make_shared<http1::Body>(link_, framing, [exchange] {
      exchange->body_complete = true;
      exchange->body_ended.notify();
    });
  }

  std::shared_ptr<const ServerContext> context_;
  std::shared_ptr<http1::Link> link_;
  Peer peer_;
  bool draining_ = false;
  bool waiting_ = false;
};

}  // namespace

std::shared_ptr<ServerConnection> make_http1_connection(std::shared_ptr<const ServerContext> context,
                                                        std::unique_ptr<Stream> stream,
                                                        std::string received) {
  return std::make_shared<Http1Connection>(std::move(context), std::move(stream), std::move(received));
}

}  // namespace cloudless::net
