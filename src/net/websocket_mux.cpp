// StreamMux over WebSocket channels: each message's first byte is the channel's number. In v5.channel.k8s.io
// the message {255, number} ends the client's direction of a channel.
#include "net/background.hpp"
#include "net/mux_inbox.hpp"
#include "net/websocket.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

constexpr uint8_t kCloseChannel = 255;
constexpr uint16_t kNormalClosure = 1000;

struct Channel {
  Headers headers;
  MuxInbox inbox;
};

struct Connection {
  Connection(std::unique_ptr<WebSocket> channels_socket, std::string agreed, Logger logger)
      : socket(std::move(channels_socket)), protocol(std::move(agreed)), log(std::move(logger)) {
    for (const std::string& name : kRemoteCommandChannels) {
      channels.push_back(std::make_shared<Channel>());
      channels.back()->headers.add("streamtype", name);
    }
  }

  std::unique_ptr<WebSocket> socket;
  const std::string protocol;
  const Logger log;
  std::vector<std::shared_ptr<Channel>> channels;
  runtime::Signal ended;
};

class ChannelStream final : public MuxStream {
 public:
  ChannelStream(std::shared_ptr<Connection> connection, size_t number)
      : connection_(std::move(connection)), number_(number) {}
  ~ChannelStream() override { channel().inbox.abort(); }

  const Headers& headers() const override { return channel().headers; }
  Task<Result<std::string>> read(size_t limit) override {
    const std::shared_ptr<Channel> kept = connection_->channels[number_];
    co_return co_await kept->inbox.read(limit);
  }
  // An empty message goes out, too: upstream's clients take the first one as the sign that the command runs.
  Task<Result<>> write(std::string bytes) override {
    const std::shared_ptr<Connection> connection = connection_;
    co_return co_await connection->socket->write({true, static_cast<char>(number_) + std::move(bytes)});
  }
  // The protocol has no word for the server's end of one channel; the connection's end is that of all.
  Task<Result<>> close_write() override { co_return Result<>(); }
  void abort() override { connection_->socket->abort(); }

 private:
  Channel& channel() const { return *connection_->channels[number_]; }

  std::shared_ptr<Connection> connection_;
  const size_t number_;
};

Task<Result<>> read_messages(Connection& connection) {
  for (;;) {
    std::optional<WebSocketMessage> message = CO_TRY(co_await connection.socket->read());
    if (!message) co_return Result<>();
    std::string& payload = message->payload;
    if (payload.empty()) continue;
    const auto number = static_cast<uint8_t>(payload[0]);
    if (number == kCloseChannel && payload.size() == 2 && connection.protocol == "v5.channel.k8s.io") {
      const auto closed = static_cast<uint8_t>(payload[1]);
      if (closed < connection.channels.size()) connection.channels[closed]->inbox.end();
    } else if (number < connection.channels.size() && payload.size() > 1) {
      CO_TRY(co_await connection.channels[number]->inbox.put(payload.substr(1)));
    }
  }
}

Task<void> run(std::shared_ptr<Connection> connection) {
  const Result<> ended = co_await read_messages(*connection);
  if (!ended) connection->log.debug("a WebSocket of channels ended", {{"error", ended.error()}});
  connection->ended.notify();
  for (const auto& channel : connection->channels) {
    if (ended) {
      channel->inbox.end();
    } else {
      channel->inbox.abort();
    }
  }
}

class WebSocketMux final : public StreamMux {
 public:
  WebSocketMux(runtime::Executor& executor, std::shared_ptr<Connection> connection)
      : connection_(std::move(connection)),
        reader_(Background::start(executor, run(connection_), connection_->log)) {}
  ~WebSocketMux() override { connection_->socket->abort(); }

  Task<Result<std::optional<std::unique_ptr<MuxStream>>>> accept() override {
    if (accepted_ == connection_->channels.size()) co_return std::optional<std::unique_ptr<MuxStream>>();
    std::unique_ptr<MuxStream> stream = std::make_unique<ChannelStream>(connection_, accepted_++);
    co_return std::optional(std::move(stream));
  }
  Task<Result<std::unique_ptr<MuxStream>>> open(Headers) override {
    co_return fail(Code::kUnimplemented, "WebSocket channels are opened by the client, all at once");
  }
  const std::string& protocol() const override { return connection_->protocol; }
  Task<void> close() override {
    static_cast<void>(co_await connection_->socket->close(kNormalClosure, ""));
    static_cast<void>(
        co_await runtime::with_timeout(kGoodbyeTime, "the peer's end", connection_->ended.wait()));
  }
  void abort() override { connection_->socket->abort(); }

 private:
  std::shared_ptr<Connection> connection_;
  size_t accepted_ = 0;
  Background reader_;
};

}  // namespace

std::unique_ptr<StreamMux> make_websocket_mux(runtime::Executor& executor, std::unique_ptr<WebSocket> socket,
                                              std::string protocol, Logger log) {
  return std::make_unique<WebSocketMux>(
      executor, std::make_shared<Connection>(std::move(socket), std::move(protocol), std::move(log)));
}

}  // namespace cloudless::net
