#include "net/http2_connection.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>

#include "base/strings.hpp"
#include "net/stream_internal.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net::http2 {

using runtime::Task;

namespace {

// What one write hands to the socket, about.
constexpr size_t kWriteBatchBytes = 64 * 1024;
// Pieces up to this are copied behind their frame's head: cheaper than a place of their own in the gathering.
constexpr size_t kSmallPiece = 512;

std::string_view text(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

Error stream_error(const Stream& stream) {
  return {Code::kUnavailable, fmt::format("stream error: stream ID {}; {}", stream.id,
                                          nghttp2_http2_strerror(stream.error_code))};
}

}  // namespace

// Pieces in the order of the wire: frames as nghttp2 made them, and bodies as shared buffers.
struct Connection::Output {
  struct Piece {
    SharedBytes owner;  // null: of `frames`
    size_t offset;
    size_t size;
  };
  std::string frames;
  std::vector<Piece> pieces;
  size_t bytes = 0;

  void add_frame(std::string_view frame) {
    if (!pieces.empty() && !pieces.back().owner) {
      pieces.back().size += frame.size();
    } else {
      pieces.push_back({nullptr, frames.size(), frame.size()});
    }
    frames += frame;
    bytes += frame.size();
  }
  void add_body(const SharedBytes& owner, size_t offset, size_t size) {
    if (size <= kSmallPiece) return add_frame(view(owner).substr(offset, size));
    pieces.push_back({owner, offset, size});
    bytes += size;
  }
  std::vector<std::string_view> views() const {
    std::vector<std::string_view> all;
    all.reserve(pieces.size());
    for (const Piece& piece : pieces) {
      const std::string_view whole = piece.owner ? view(piece.owner) : std::string_view(frames);
      all.push_back(whole.substr(piece.offset, piece.size));
    }
    return all;
  }
  void clear() {
    frames.clear();
    pieces.clear();
    bytes = 0;
  }
};

void Head::add(std::string_view name, std::string_view value) {
  if (name == ":method") {
    method = value;
  } else if (name == ":authority") {
    authority = value;
  } else if (name == ":path") {
    path = value;
  } else if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), status);
  } else if (!name.starts_with(':')) {
    fields.add(std::string(name), std::string(value));
  }
}

// nghttp2's callbacks, which find the connection and its streams as user data.
struct Callbacks {
  static Connection& self(void* user) { return *static_cast<Connection*>(user); }

  static Stream* find(nghttp2_session* session, int32_t id) {
    return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    std::shared_ptr<Stream> stream = self(user).make_stream();
    stream->id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, stream->id, stream.get());
    self(user).adopt(std::move(stream));
    return 0;
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void* user) {
    Connection& connection = self(user);
    Stream* const stream = find(session, frame->hd.stream_id);
    if (!stream) return 0;
    stream->header_bytes += name_size + value_size + 32;
    if (stream->header_bytes > connection.limits_.header_bytes) {
      stream->header_overflow = true;
    } else if (stream->head_complete) {
      stream->received_trailers.add(std::string(text(name, name_size)), std::string(text(value, value_size)));
    } else {
      connection.on_field(*stream, text(name, name_size), text(value, value_size));
    }
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Connection& connection = self(user);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK))
      connection.ping_outstanding_ = false;
    if (frame->hd.type == NGHTTP2_RST_STREAM) connection.count_reset();
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Stream* const stream = find(session, frame->hd.stream_id);
    if (!stream) return 0;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
      stream->incoming_ended = true;
      stream->incoming_changed.notify();
    }
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_complete) complete_head(connection, *stream);
    if (stream->incoming_ended) connection.on_end(*stream);
    return 0;
  }

  static int on_frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    if (Stream* const stream = find(session, frame->hd.stream_id)) self(user).on_end_sent(*stream);
    return 0;
  }

  static void complete_head(Connection& connection, Stream& stream) {
    if (stream.head.status / 100 == 1) {
      // An interim response; the final one follows.
      stream.head = {};
      return;
    }
    stream.head_complete = true;
    if (!stream.header_overflow) stream.header_bytes = 0;  // counts the trailers from now on
    connection.on_head(stream);
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                     void* user) {
    Stream* const stream = find(session, id);
    if (!stream) {
      nghttp2_session_consume_connection(session, size);
      return 0;
    }
    if (self(user).take_piece(*stream, text(data, size))) {
      nghttp2_session_consume(session, id, size);
    } else {
      stream->incoming.push_back(share(std::string(text(data, size))));
      stream->incoming_changed.notify();
    }
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t id, uint32_t error_code, void* user) {
    Stream* const closing = find(session, id);
    if (!closing) return 0;
    const std::shared_ptr<Stream> stream = self(user).remove(*closing);
    // Bytes that nobody has read are still readable, but they hold up the other streams no more.
    size_t unread = 0;
    for (const SharedBytes& piece : stream->incoming) unread += piece->size();
    if (unread > 0) nghttp2_session_consume_connection(session, unread);
    self(user).close(*stream, error_code);
    return 0;
  }

  static ssize_t read_data(nghttp2_session* session, int32_t id, uint8_t*, size_t size, uint32_t* flags,
                           nghttp2_data_source*, void* user) {
    Stream* const stream = find(session, id);
    if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (stream->outgoing_bytes == 0 && !stream->outgoing_ended) return NGHTTP2_ERR_DEFERRED;
    const size_t taken = std::min(size, stream->outgoing_bytes);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->outgoing_ended && taken == stream->outgoing_bytes) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (self(user).submit_trailers(*stream)) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return static_cast<ssize_t>(taken);
  }

  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const uint8_t* head, size_t size,
                       nghttp2_data_source*, void* user) {
    Connection& connection = self(user);
    Stream* const stream = find(session, frame->hd.stream_id);
    if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    constexpr size_t kFrameHeadBytes = 9;
    connection.output_->add_frame(text(head, kFrameHeadBytes));
    stream->outgoing_bytes -= size;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) stream->end_sent = true;
    while (size > 0) {
      const SharedBytes& piece = stream->outgoing.front();
      const size_t part = std::min(size, piece->size() - stream->outgoing_offset);
      const size_t offset = stream->outgoing_offset;
      size -= part;
      stream->outgoing_offset += part;
      const bool used_up = stream->outgoing_offset == piece->size();
      connection.output_->add_body(piece, offset, part);
      if (!used_up) continue;
      stream->outgoing.pop_front();
      stream->outgoing_offset = 0;
    }
    stream->outgoing_changed.notify();
    return 0;
  }

  static nghttp2_session* make(Role role, Connection& connection) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_option* options = nullptr;
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    if (connection.limits_.heads == Heads::kAsTheyCome) nghttp2_option_set_no_http_messaging(options, 1);
    nghttp2_session* session = nullptr;
    if (role == Role::kServer) {
      nghttp2_session_server_new2(&session, callbacks, &connection, options);
    } else {
      nghttp2_session_client_new2(&session, callbacks, &connection, options);
    }
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    return session;
  }
};

Connection::Connection(Role role, std::unique_ptr<net::Stream> stream, Limits limits, Logger log)
    : socket_(std::move(stream)), limits_(limits), log_(std::move(log)), output_(std::make_unique<Output>()) {
  socket_->set_write_stall_limit(limits_.write_stall_timeout);
  session_ = Callbacks::make(role, *this);
  submit_settings(role);
}

Connection::~Connection() { nghttp2_session_del(session_); }

void Connection::submit_settings(Role role) {
  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits_.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits_.header_bytes)}};
  if (role == Role::kServer) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.streams});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(limits_.connection_window_bytes));
}

Task<void> Connection::run(std::string received) {
  const runtime::TaskContext context = co_await runtime::current_context();
  executor_ = context.executor;
  Background writer = Background::start(*context.executor, write_loop(shared_from_this()), log_);
  const Result<> read = co_await read_loop(std::move(received));
  // After an orderly end the writer still says goodbye; after a broken one there is nobody to say it to.
  reader_failed_ = !read;
  if (!read) socket_->abort();
  writer_wake_.notify();
  static_cast<void>(co_await runtime::run_in({context.executor, nullptr}, writer_done_.wait()));
  writer.detach();
  closed_ = true;
  socket_->abort();
  for (const auto& open : std::exchange(streams_, {})) close(*open, NGHTTP2_CONNECT_ERROR);
}

Task<Result<>> Connection::read_loop(std::string buffer) {
  while (nghttp2_session_want_read(session_)) {
    if (!buffer.empty()) {
      const ssize_t used =
          nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(buffer.data()), buffer.size());
      writer_wake_.notify();
      if (used < 0)
        co_return fail(Code::kUnavailable, "HTTP/2: {}", nghttp2_strerror(static_cast<int>(used)));
      buffer.clear();
      continue;
    }
    const Duration patience = ping_outstanding_ ? limits_.ping_timeout : limits_.quiet_time;
    const Result<bool> more =
        co_await runtime::with_timeout(patience, "a quiet connection", read_more(*socket_, buffer));
    if (more) {
      if (!*more) co_return fail(Code::kUnavailable, "EOF");
      ping_outstanding_ = false;
    } else if (more.error().code != Code::kDeadlineExceeded || !on_quiet()) {
      co_return std::unexpected(more.error());
    }
  }
  co_return Result<>();
}

Task<void> Connection::write_loop(std::shared_ptr<Connection> self) {
  static_cast<void>(co_await self->write_until_done());
  self->socket_->abort();
  self->writer_done_.notify();
}

Task<Result<>> Connection::write_until_done() {
  for (;;) {
    if (!collect()) co_return fail(Code::kUnavailable, "HTTP/2: the session has failed");
    if (output_->bytes > 0) {
      const std::vector<std::string_view> views = output_->views();
      CO_TRY(co_await socket_->write_all(views));
      output_->clear();
    } else if (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_)) {
      co_return Result<>();
    } else {
      CO_TRY(co_await writer_wake_.wait());
      if (reader_failed_) co_return Result<>();
    }
  }
}

// Takes from nghttp2 what it has to send, up to a batch.
bool Connection::collect() {
  while (output_->bytes < kWriteBatchBytes) {
    const uint8_t* frame = nullptr;
    const size_t before = output_->bytes;
    const ssize_t size = nghttp2_session_mem_send(session_, &frame);
    if (size < 0) return false;
    if (size > 0) output_->add_frame(text(frame, static_cast<size_t>(size)));
    if (output_->bytes == before) return true;
  }
  return true;
}

void Connection::adopt(std::shared_ptr<Stream> stream) {
  stream->place = streams_.size();
  streams_.push_back(std::move(stream));
}

// The last one takes its place.
std::shared_ptr<Stream> Connection::remove(Stream& stream) {
  streams_.back()->place = stream.place;
  std::swap(streams_[stream.place], streams_.back());
  std::shared_ptr<Stream> removed = std::move(streams_.back());
  streams_.pop_back();
  return removed;
}

void Connection::close(Stream& stream, uint32_t error_code) {
  stream.closed = true;
  stream.error_code = error_code;
  stream.sender.cancel();
  stream.incoming_changed.notify();
  stream.outgoing_changed.notify();
  on_closed(stream);
}

Task<Result<std::optional<SharedBytes>>> Connection::read(Stream& stream) {
  for (;;) {
    if (SharedBytes piece = take(stream)) co_return piece;
    if (stream.incoming_ended) co_return std::optional<SharedBytes>();
    if (stream.closed) co_return std::unexpected(stream_error(stream));
    CO_TRY(co_await stream.incoming_changed.wait());
  }
}

SharedBytes Connection::take(Stream& stream) {
  if (stream.incoming.empty()) return nullptr;
  SharedBytes piece = std::move(stream.incoming.front());
  stream.incoming.pop_front();
  if (!stream.closed && !closed_) {
    nghttp2_session_consume(session_, stream.id, piece->size());
    writer_wake_.notify();
  }
  return piece;
}

Task<Result<>> Connection::room(Stream& stream) {
  while (!stream.closed && stream.outgoing_bytes >= limits_.write_buffer_bytes) {
    const Result<> room = co_await runtime::with_timeout(
        limits_.write_stall_timeout, "a write that the peer does not take", stream.outgoing_changed.wait());
    if (room) continue;
    if (room.error().code == Code::kDeadlineExceeded) reset(stream, NGHTTP2_CANCEL);
    co_return room;
  }
  if (stream.closed) co_return std::unexpected(stream_error(stream));
  co_return Result<>();
}

Task<Result<>> Connection::write(Stream& stream, SharedBytes piece) {
  CO_TRY(co_await room(stream));
  put(stream, std::move(piece));
  co_return Result<>();
}

void Connection::queue(Stream& stream, SharedBytes piece) {
  if (view(piece).empty()) return;
  stream.outgoing_bytes += piece->size();
  stream.outgoing.push_back(std::move(piece));
}

void Connection::put(Stream& stream, SharedBytes piece) {
  if (stream.closed) return;
  queue(stream, std::move(piece));
  resume(stream);
}

void Connection::end(Stream& stream) {
  stream.outgoing_ended = true;
  resume(stream);
}

Task<Result<>> Connection::drained(Stream& stream) {
  while (!stream.closed && (stream.outgoing_bytes > 0 || (stream.outgoing_ended && !stream.end_sent))) {
    CO_TRY(co_await runtime::with_timeout(limits_.write_stall_timeout, "a write that the peer does not take",
                                          stream.outgoing_changed.wait()));
  }
  co_return Result<>();
}

void Connection::resume(Stream& stream) {
  if (stream.closed || closed_) return;
  nghttp2_session_resume_data(session_, stream.id);
  writer_wake_.notify();
}

void Connection::reset(Stream& stream, uint32_t error_code) {
  if (stream.closed || closed_) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, error_code);
  writer_wake_.notify();
}

void Connection::abort() { socket_->abort(); }

void Connection::go_away() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  // The writer ends once the goodbye is sent and no stream is left; its end wakes the reader.
  writer_wake_.notify();
}

void Connection::go_away_from_abuse() {
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void Connection::count_reset() {
  const SteadyTime now = executor_->clock().steady_now();
  if (now - reset_window_start_ > limits_.reset_window) {
    reset_window_start_ = now;
    resets_ = 0;
  }
  if (++resets_ > limits_.resets_per_window) go_away_from_abuse();
}

bool Connection::send_ping() {
  if (std::exchange(ping_outstanding_, true)) return false;
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  writer_wake_.notify();
  return true;
}

namespace {

class StreamBody final : public BodyReader {
 public:
  StreamBody(std::shared_ptr<Connection> connection, std::shared_ptr<Stream> stream, Rest rest)
      : connection_(std::move(connection)), stream_(std::move(stream)), rest_(rest) {}
  ~StreamBody() override {
    if (rest_ == Rest::kReset && !stream_->closed) connection_->reset(*stream_, NGHTTP2_CANCEL);
  }
  Task<Result<std::optional<SharedBytes>>> next() override { return connection_->read(*stream_); }
  const Headers* trailers() const override { return &stream_->received_trailers; }

 private:
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Stream> stream_;
  Rest rest_;
};

}  // namespace

std::unique_ptr<BodyReader> make_stream_body(std::shared_ptr<Connection> connection,
                                             std::shared_ptr<Stream> stream, Rest rest) {
  return std::make_unique<StreamBody>(std::move(connection), std::move(stream), rest);
}

void HeaderBlock::add(std::string name, std::string value) {
  std::ranges::replace(value, '\n', ' ');
  std::ranges::replace(value, '\r', ' ');
  fields_.emplace_back(std::move(name), std::move(value));
}

void HeaderBlock::add_all(const Headers& headers) {
  constexpr std::array<std::string_view, 6> kForbidden = {
      "connection", "keep-alive", "proxy-connection", "host", "transfer-encoding", "upgrade"};
  for (const auto& [name, value] : headers) {
    std::string lower = to_lower(name);
    if (std::ranges::find(kForbidden, lower) == kForbidden.end()) add(std::move(lower), value);
  }
}

const void* HeaderBlock::native() {
  native_.resize(fields_.size() * sizeof(nghttp2_nv));
  auto* out = reinterpret_cast<nghttp2_nv*>(native_.data());
  for (auto& [name, value] : fields_) {
    *out++ = {reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(),
              value.size(), NGHTTP2_NV_FLAG_NONE};
  }
  return native_.data();
}

const void* data_provider() {
  static const nghttp2_data_provider provider{{}, Callbacks::read_data};
  return &provider;
}

}  // namespace cloudless::net::http2
