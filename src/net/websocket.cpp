#include "net/websocket.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "net/http1.hpp"
#include "net/turn.hpp"
#include "net/websocket_frame.hpp"

namespace cloudless::net {

using runtime::Task;
using websocket::Frame;
using websocket::Opcode;

namespace {

constexpr size_t kReadBytes = 32 * 1024;
constexpr uint16_t kNormalClosure = 1000;
constexpr uint16_t kProtocolError = 1002;
constexpr uint16_t kMessageTooBig = 1009;

std::string close_payload(uint16_t status, std::string_view reason) {
  // A control frame holds 125 bytes, two of them the status.
  return std::string{static_cast<char>(status >> 8), static_cast<char>(status)}.append(reason.substr(0, 123));
}

class FramedSocket final : public WebSocket {
 public:
  FramedSocket(std::unique_ptr<ByteStream> stream, WebSocketRole role, std::string protocol,
               std::shared_ptr<Random> random, size_t message_limit)
      : stream_(std::move(stream)),
        role_(role),
        protocol_(std::move(protocol)),
        random_(std::move(random)),
        message_limit_(message_limit) {}

  Task<Result<std::optional<WebSocketMessage>>> read() override {
    std::optional<WebSocketMessage> message;
    for (;;) {
      std::optional<Frame> frame = CO_TRY(co_await next_frame());
      if (!frame || frame->opcode == Opcode::kClose) {
        if (!frame && !closing_)
          co_return fail(Code::kUnavailable, "websocket: close 1006 (abnormal closure)");
        static_cast<void>(co_await close(kNormalClosure, ""));
        co_return std::optional<WebSocketMessage>();
      }
      if (frame->opcode == Opcode::kPing) {
        CO_TRY(co_await send({true, Opcode::kPong, std::move(frame->payload)}));
      } else if (frame->opcode != Opcode::kPong) {
        const Result<> added = add_fragment(message, std::move(*frame), complete_);
        if (!added) co_return co_await reject(added.error());
        if (complete_) co_return message;
      }
    }
  }

  Task<Result<>> write(WebSocketMessage message) override {
    co_return co_await send(
        {true, message.binary ? Opcode::kBinary : Opcode::kText, std::move(message.payload)});
  }

  Task<Result<>> ping() override { co_return co_await send({true, Opcode::kPing, {}}); }

  Task<Result<>> close(uint16_t status, std::string_view reason) override {
    if (std::exchange(closing_, true)) co_return Result<>();
    co_return co_await send({true, Opcode::kClose, close_payload(status, reason)});
  }

  void abort() override { stream_->abort(); }
  const std::string& protocol() const override { return protocol_; }

 private:
  Task<Result<std::optional<Frame>>> next_frame() {
    const auto masking =
        role_ == WebSocketRole::kServer ? websocket::Masking::kRequired : websocket::Masking::kForbidden;
    for (;;) {
      auto parsed = websocket::parse_frame(buffer_, masking, message_limit_);
      if (!parsed) co_return co_await reject(parsed.error());
      if (*parsed) {
        buffer_.erase(0, (*parsed)->consumed);
        co_return std::move((*parsed)->frame);
      }
      const std::string bytes = CO_TRY(co_await stream_->read(kReadBytes));
      if (bytes.empty()) co_return std::optional<Frame>();
      buffer_ += bytes;
    }
  }

  Result<> add_fragment(std::optional<WebSocketMessage>& message, Frame frame, bool& complete) {
    const bool continues = frame.opcode == Opcode::kContinuation;
    if (continues != message.has_value()) return fail(Code::kInvalid, "websocket: fragment out of order");
    if (!message) message = WebSocketMessage{frame.opcode == Opcode::kBinary, {}};
    if (message->payload.size() + frame.payload.size() > message_limit_) {
      return fail(Code::kResourceExhausted, "websocket: message too big");
    }
    message->payload += frame.payload;
    complete = frame.final;
    return {};
  }

  // Tells the peer what it did wrong.
  Task<std::unexpected<Error>> reject(Error error) {
    const uint16_t status = error.code == Code::kResourceExhausted ? kMessageTooBig : kProtocolError;
    static_cast<void>(co_await close(status, error.message));
    co_return std::unexpected(std::move(error));
  }

  Task<Result<>> send(Frame frame) {
    std::optional<std::array<uint8_t, 4>> mask;
    if (role_ == WebSocketRole::kClient) {
      const uint64_t bits = random_->next();
      mask = {static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8), static_cast<uint8_t>(bits >> 16),
              static_cast<uint8_t>(bits >> 24)};
    }
    const Turn::Holder turn = CO_TRY(co_await turn_.take());
    const Result<> written = co_await stream_->write(websocket::write_frame(frame, mask));
    // Half a frame cannot be taken back.
    if (!written) stream_->abort();
    co_return written;
  }

  std::unique_ptr<ByteStream> stream_;
  const WebSocketRole role_;
  const std::string protocol_;
  const std::shared_ptr<Random> random_;
  const size_t message_limit_;
  std::string buffer_;
  bool complete_ = false;
  bool closing_ = false;
  Turn turn_;
};

class BinaryStream final : public ByteStream {
 public:
  explicit BinaryStream(std::unique_ptr<WebSocket> socket) : socket_(std::move(socket)) {}
  ~BinaryStream() override { socket_->abort(); }

  Task<Result<std::string>> read(size_t limit) override {
    while (rest_.empty()) {
      std::optional<WebSocketMessage> message = CO_TRY(co_await socket_->read());
      if (!message) co_return std::string();
      rest_ = std::move(message->payload);
    }
    std::string bytes = rest_.substr(0, limit);
    rest_.erase(0, bytes.size());
    co_return bytes;
  }
  Task<Result<>> write(std::string bytes) override {
    co_return co_await socket_->write({true, std::move(bytes)});
  }
  Task<Result<>> close_write() override { co_return co_await socket_->close(kNormalClosure, ""); }
  void abort() override { socket_->abort(); }

 private:
  std::unique_ptr<WebSocket> socket_;
  std::string rest_;
};

// The client's first subprotocol that the server knows; empty where the client names none, nothing where
// there is none in common.
std::optional<std::string> agree(const Headers& headers, const std::vector<std::string>& ours) {
  bool named = false;
  for (const std::string_view value : headers.all("sec-websocket-protocol")) {
    for (const std::string_view item : split(value, ',')) {
      named = true;
      const std::string protocol(trim(item));
      if (std::ranges::find(ours, protocol) != ours.end()) return protocol;
    }
  }
  return named ? std::nullopt : std::optional<std::string>("");
}

Task<std::unexpected<Error>> refuse(ResponseWriter& response, std::string message) {
  static_cast<void>(
      co_await response.respond(400, {{"Content-Type", "text/plain; charset=utf-8"}}, {share(message)}));
  co_return fail(Code::kInvalid, "{}", message);
}

}  // namespace

std::unique_ptr<WebSocket> make_websocket(std::unique_ptr<ByteStream> stream, WebSocketRole role,
                                          std::string protocol, std::shared_ptr<Random> random,
                                          size_t message_limit) {
  return std::make_unique<FramedSocket>(std::move(stream), role, std::move(protocol), std::move(random),
                                        message_limit);
}

bool wants_websocket(const Request& request) {
  return http1::has_token(request.headers, "connection", "upgrade") &&
         http1::has_token(request.headers, "upgrade", "websocket");
}

Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(const Request& request, ResponseWriter& response,
                                                          const std::vector<std::string>& protocols) {
  const std::string key(request.headers.get("sec-websocket-key").value_or(""));
  if (!wants_websocket(request) || key.empty() || request.headers.get("sec-websocket-version") != "13") {
    co_return co_await refuse(response, "websocket: bad handshake");
  }
  const std::optional<std::string> protocol = agree(request.headers, protocols);
  if (!protocol) co_return co_await refuse(response, "websocket: no common subprotocol");
  Headers headers{{"Upgrade", "websocket"},
                  {"Connection", "Upgrade"},
                  {"Sec-WebSocket-Accept", websocket::accept_key(key)}};
  if (!protocol->empty()) headers.add("Sec-WebSocket-Protocol", *protocol);
  auto stream = CO_TRY(co_await response.upgrade(std::move(headers)));
  co_return make_websocket(std::move(stream), WebSocketRole::kServer, *protocol);
}

Task<Result<std::unique_ptr<WebSocket>>> connect_websocket(Transport& transport, std::string target,
                                                           Headers headers,
                                                           const std::vector<std::string>& protocols,
                                                           std::shared_ptr<Random> random) {
  const std::string key = base64_encode(random->bytes(16));
  Request request;
  request.target = std::move(target);
  request.headers = std::move(headers);
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Upgrade", "websocket");
  request.headers.set("Sec-WebSocket-Version", "13");
  request.headers.set("Sec-WebSocket-Key", key);
  if (!protocols.empty()) request.headers.set("Sec-WebSocket-Protocol", join(protocols, ", "));
  Response response = CO_TRY(co_await transport.send(std::move(request)));
  if (!response.upgraded || response.headers.get("sec-websocket-accept") != websocket::accept_key(key)) {
    co_return fail(Code::kUnavailable, "websocket: bad handshake (status {})", response.status);
  }
  std::string protocol(response.headers.get("sec-websocket-protocol").value_or(""));
  co_return make_websocket(std::move(response.upgraded), WebSocketRole::kClient, std::move(protocol),
                           std::move(random));
}

std::unique_ptr<ByteStream> make_byte_stream(std::unique_ptr<WebSocket> socket) {
  return std::make_unique<BinaryStream>(std::move(socket));
}

}  // namespace cloudless::net
