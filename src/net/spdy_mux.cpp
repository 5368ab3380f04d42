// StreamMux over SPDY/3.1, either side. Like the peer that matters (client-go's spdystream) it neither
// sends nor heeds window updates: the connection's own back-pressure bounds what is under way.
#include <map>

#include "net/background.hpp"
#include "net/mux_inbox.hpp"
#include "net/spdy_frame.hpp"
#include "net/turn.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

constexpr size_t kReadBytes = 32 * 1024;
// Streams that the peer has opened and nobody has accepted yet.
constexpr size_t kAcceptQueue = 64;
constexpr size_t kDataFrameBytes = 32 * 1024;

struct StreamState {
  uint32_t id = 0;
  Headers headers;
  MuxInbox inbox;
  bool sent_end = false;
  bool received_end = false;
};

// The connection: shared by the mux, its streams and its reader.
struct Connection {
  Connection(runtime::Executor& home, SpdyRole role, std::unique_ptr<ByteStream> bytes, std::string agreed,
             Logger logger)
      : executor(home),
        next_id(role == SpdyRole::kClient ? 1 : 2),
        peer_parity(role == SpdyRole::kClient ? 0 : 1),
        stream(std::move(bytes)),
        protocol(std::move(agreed)),
        log(std::move(logger)) {}

  Task<Result<>> send(spdy::Frame frame) {
    const Turn::Holder holder = CO_TRY(co_await turn.take());
    // Compressed in the order of sending: the compressor's state runs through all frames.
    const Result<> written = co_await stream->write(codec.write(frame));
    if (!written) stream->abort();
    co_return written;
  }

  // Forgets a stream that both sides have ended.
  void forget_if_over(StreamState& state) {
    if (state.sent_end && state.received_end) streams.erase(state.id);
  }

  runtime::Executor& executor;
  uint32_t next_id;
  const uint32_t peer_parity;  // of the numbers of the peer's streams and pings
  std::unique_ptr<ByteStream> stream;
  const std::string protocol;
  const Logger log;
  spdy::Codec codec;
  Turn turn;
  std::map<uint32_t, std::shared_ptr<StreamState>> streams;
  runtime::Channel<std::shared_ptr<StreamState>> opened{kAcceptQueue};
  runtime::Signal ended;
};

Task<void> send_in_background(std::shared_ptr<Connection> connection, spdy::Frame frame) {
  static_cast<void>(co_await connection->send(std::move(frame)));
}

class SpdyStream final : public MuxStream {
 public:
  SpdyStream(std::shared_ptr<Connection> connection, std::shared_ptr<StreamState> state)
      : connection_(std::move(connection)), state_(std::move(state)) {}
  ~SpdyStream() override { finish(); }

  const Headers& headers() const override { return state_->headers; }

  Task<Result<std::string>> read(size_t limit) override {
    const std::shared_ptr<StreamState> state = state_;
    co_return co_await state->inbox.read(limit);
  }

  Task<Result<>> write(std::string bytes) override {
    const std::shared_ptr<Connection> connection = connection_;
    for (size_t at = 0; at < bytes.size(); at += kDataFrameBytes) {
      if (state_->sent_end) co_return fail(Code::kUnavailable, "the stream is closed for writing");
      CO_TRY(co_await connection->send(
          {spdy::Type::kData, state_->id, 0, 0, {}, bytes.substr(at, kDataFrameBytes)}));
    }
    co_return Result<>();
  }

  Task<Result<>> close_write() override {
    if (std::exchange(state_->sent_end, true)) co_return Result<>();
    const std::shared_ptr<Connection> connection = connection_;
    const std::shared_ptr<StreamState> state = state_;
    connection->forget_if_over(*state);
    co_return co_await connection->send({spdy::Type::kData, state->id, spdy::kFin, 0, {}, {}});
  }

  void abort() override {
    connection_->executor.post([connection = connection_, state = state_] { reset(connection, *state); });
  }

 private:
  static void reset(const std::shared_ptr<Connection>& connection, StreamState& state) {
    state.inbox.abort();
    if (connection->streams.erase(state.id) == 0) return;
    state.sent_end = true;
    tell(connection, {spdy::Type::kRstStream, state.id, 0, spdy::kCancel, {}, {}});
  }

  static void tell(const std::shared_ptr<Connection>& connection, spdy::Frame frame) {
    Background::start(connection->executor, send_in_background(connection, std::move(frame)), connection->log)
        .detach();
  }

  // An end in order for our direction; what still comes is dropped.
  void finish() {
    state_->inbox.abort();
    if (std::exchange(state_->sent_end, true)) return;
    tell(connection_, {spdy::Type::kData, state_->id, spdy::kFin, 0, {}, {}});
    connection_->forget_if_over(*state_);
  }

  std::shared_ptr<Connection> connection_;
  std::shared_ptr<StreamState> state_;
};

Task<Result<>> open_stream(Connection& connection, spdy::Frame frame) {
  const bool refused = frame.stream == 0 || frame.stream % 2 != connection.peer_parity ||
                       connection.streams.contains(frame.stream) || connection.streams.size() >= kMuxStreams;
  if (refused)
    co_return co_await connection.send(
        {spdy::Type::kRstStream, frame.stream, 0, spdy::kRefusedStream, {}, {}});
  auto state = std::make_shared<StreamState>();
  state->id = frame.stream;
  state->headers = std::move(frame.headers);
  state->received_end = (frame.flags & spdy::kFin) != 0;
  if (state->received_end) state->inbox.end();
  connection.streams.emplace(state->id, state);
  CO_TRY(co_await connection.send({spdy::Type::kSynReply, frame.stream, 0, 0, {}, {}}));
  co_return co_await connection.opened.send(std::move(state));
}

Task<Result<>> take_data(Connection& connection, spdy::Frame frame) {
  const auto found = connection.streams.find(frame.stream);
  if (found == connection.streams.end()) co_return Result<>();  // reset by us meanwhile
  const std::shared_ptr<StreamState> state = found->second;
  if (!frame.data.empty()) CO_TRY(co_await state->inbox.put(std::move(frame.data)));
  if (frame.flags & spdy::kFin) {
    state->received_end = true;
    state->inbox.end();
    connection.forget_if_over(*state);
  }
  co_return Result<>();
}

Task<Result<bool>> handle(Connection& connection, spdy::Frame frame) {
  switch (frame.type) {
    case spdy::Type::kSynStream:
      CO_TRY(co_await open_stream(connection, std::move(frame)));
      break;
    case spdy::Type::kData:
      CO_TRY(co_await take_data(connection, std::move(frame)));
      break;
    case spdy::Type::kPing:
      // Others would answer ours.
      if (frame.stream % 2 == connection.peer_parity)
        CO_TRY(co_await connection.send({spdy::Type::kPing, frame.stream, 0, 0, {}, {}}));
      break;
    case spdy::Type::kRstStream:
      if (const auto found = connection.streams.find(frame.stream); found != connection.streams.end()) {
        found->second->sent_end = true;
        found->second->inbox.abort();
        connection.streams.erase(found);
      }
      break;
    case spdy::Type::kGoAway:
      break;  // the peer opens no more; what is open goes on
    default:
      break;
  }
  co_return true;
}

Task<Result<>> read_frames(Connection& connection) {
  std::string buffer;
  for (;;) {
    const auto parsed = CO_TRY(connection.codec.parse(buffer));
    if (!parsed) {
      const std::string bytes = CO_TRY(co_await connection.stream->read(kReadBytes));
      if (bytes.empty()) co_return Result<>();
      buffer += bytes;
      continue;
    }
    buffer.erase(0, parsed->consumed);
    if (parsed->frame) CO_TRY(co_await handle(connection, std::move(*parsed->frame)));
  }
}

Task<void> run(std::shared_ptr<Connection> connection) {
  const Result<> ended = co_await read_frames(*connection);
  if (!ended) connection->log.debug("a SPDY connection ended", {{"error", ended.error()}});
  connection->opened.close();
  connection->ended.notify();
  for (auto& [id, state] : std::exchange(connection->streams, {})) {
    state->sent_end = true;
    if (ended) {
      state->inbox.end();
    } else {
      state->inbox.abort();
    }
  }
}

class SpdyMux final : public StreamMux {
 public:
  explicit SpdyMux(std::shared_ptr<Connection> connection)
      : connection_(std::move(connection)),
        reader_(Background::start(connection_->executor, run(connection_), connection_->log)) {}
  ~SpdyMux() override { connection_->stream->abort(); }

  Task<Result<std::optional<std::unique_ptr<MuxStream>>>> accept() override {
    std::optional<std::shared_ptr<StreamState>> state = CO_TRY(co_await connection_->opened.receive());
    if (!state) co_return std::optional<std::unique_ptr<MuxStream>>();
    std::unique_ptr<MuxStream> stream = std::make_unique<SpdyStream>(connection_, std::move(*state));
    co_return std::optional(std::move(stream));
  }
  Task<Result<std::unique_ptr<MuxStream>>> open(Headers headers) override {
    const std::shared_ptr<Connection> connection = connection_;
    if (connection->streams.size() >= kMuxStreams)
      co_return fail(Code::kResourceExhausted, "the connection has {} streams already", kMuxStreams);
    auto state = std::make_shared<StreamState>();
    state->id = connection->next_id;
    connection->next_id += 2;
    state->headers = headers;
    connection->streams.emplace(state->id, state);
    CO_TRY(co_await connection->send({spdy::Type::kSynStream, state->id, 0, 0, std::move(headers), {}}));
    co_return std::make_unique<SpdyStream>(connection, std::move(state));
  }
  const std::string& protocol() const override { return connection_->protocol; }
  Task<void> close() override {
    // Behind what is queued: the turn is taken in order.
    static_cast<void>(co_await connection_->send({spdy::Type::kGoAway, 0, 0, 0, {}, {}}));
    static_cast<void>(co_await connection_->stream->close_write());
    static_cast<void>(
        co_await runtime::with_timeout(kGoodbyeTime, "the peer's end", connection_->ended.wait()));
  }
  void abort() override { connection_->stream->abort(); }

 private:
  std::shared_ptr<Connection> connection_;
  Background reader_;
};

}  // namespace

std::unique_ptr<StreamMux> make_spdy_mux(runtime::Executor& executor, SpdyRole role,
                                         std::unique_ptr<ByteStream> connection, std::string protocol,
                                         Logger log) {
  return std::make_unique<SpdyMux>(std::make_shared<Connection>(executor, role, std::move(connection),
                                                                std::move(protocol), std::move(log)));
}

}  // namespace cloudless::net
