// A gRPC client that sends what no proper one does: any fields, any bytes, a body that does not end. It keeps
// to the flow control of the connection, and waits for nothing longer than its patience.
#pragma once

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cloudless::grpc::testing {

/// What has come on a stream.
struct RawAnswer {
  std::map<std::string, std::string> fields;  // of its head and of its trailers
  std::string body;
  bool ended = false;
  std::optional<uint32_t> reset;

  std::string status() const { return field(":status"); }
  /// "12: unknown service x", as grpc-status and grpc-message have it.
  std::string text() const {
    const std::string message = field("grpc-message");
    return field("grpc-status") + (message.empty() ? "" : ": " + message);
  }

 private:
  std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? "" : found->second;
  }
};

using RawFields = std::vector<std::pair<std::string, std::string>>;

class RawClient {
 public:
  explicit RawClient(uint16_t port) {
    nghttp2_hd_inflate_new(&inflater_);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect to the server");
    }
    send_bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    send_frame(NGHTTP2_SETTINGS, 0, 0, "");
  }
  ~RawClient() {
    nghttp2_hd_inflate_del(inflater_);
    close(socket_);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  /// Begins a call; `more` comes after the fields that every call has, or in their place.
  int32_t begin(const std::string& path, const RawFields& more = {}) {
    RawFields fields{{":method", "POST"}, {":scheme", "http"}, {":path", path},
                     {":authority", "x"}, {"te", "trailers"},  {"content-type", "application/grpc"}};
    for (const auto& [name, value] : more) {
      std::erase_if(fields, [&name](const auto& field) { return field.first == name; });
      fields.emplace_back(name, value);
    }
    std::string block;
    for (const auto& [name, value] : fields) {
      block.push_back(0);  // a literal without a place in the table
      add_text(block, name);
      add_text(block, value);
    }
    const int32_t stream = std::exchange(next_stream_, next_stream_ + 2);
    send_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, block);
    return stream;
  }
  void send(int32_t stream, std::string_view bytes) {
    constexpr size_t kFrame = 16384;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kFrame, bytes.size()))) {
      const std::string_view piece = bytes.substr(0, kFrame);
      while (window_ < static_cast<int64_t>(piece.size())) receive();
      window_ -= static_cast<int64_t>(piece.size());
      send_frame(NGHTTP2_DATA, 0, stream, piece);
    }
  }
  void end(int32_t stream) { send_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, ""); }

  /// Returns once the server has ended its side, or has reset the stream.
  const RawAnswer& answer(int32_t stream) {
    RawAnswer& answer = answers_[stream];
    while (!answer.ended && !answer.reset) receive();
    return answer;
  }
  /// Returns once the server has reset the stream.
  const RawAnswer& reset(int32_t stream) {
    RawAnswer& answer = answers_[stream];
    while (!answer.reset) receive();
    return answer;
  }
  /// Returns once a piece of a body has come, or its end.
  const RawAnswer& piece(int32_t stream) {
    RawAnswer& answer = answers_[stream];
    while (answer.body.empty() && !answer.ended && !answer.reset) receive();
    return answer;
  }

 private:
  static constexpr size_t kFrameHead = 9;

  static uint32_t number(std::string_view bytes) {
    uint32_t value = 0;
    for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }
  // An HPACK string (RFC 7541 section 5.2) without Huffman's code.
  static void add_text(std::string& block, std::string_view text) {
    constexpr size_t kPrefix = 127;
    if (text.size() < kPrefix) {
      block.push_back(static_cast<char>(text.size()));
    } else {
      block.push_back(static_cast<char>(kPrefix));
      size_t rest = text.size() - kPrefix;
      for (; rest >= 128; rest /= 128) block.push_back(static_cast<char>(rest % 128 + 128));
      block.push_back(static_cast<char>(rest));
    }
    block += text;
  }

  void send_bytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("the server takes nothing");
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void send_frame(uint8_t type, uint8_t flags, int32_t stream, std::string_view payload) {
    std::string frame;
    for (const int shift : {16, 8, 0}) frame.push_back(static_cast<char>(payload.size() >> shift));
    frame.push_back(static_cast<char>(type));
    frame.push_back(static_cast<char>(flags));
    for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(stream >> shift));
    send_bytes(frame.append(payload));
  }
  std::string receive_bytes(size_t size) {
    std::string bytes(size, '\0');
    for (size_t at = 0; at < size;) {
      const ssize_t got = recv(socket_, bytes.data() + at, size - at, 0);
      if (got <= 0) throw std::runtime_error("the server says nothing");
      at += static_cast<size_t>(got);
    }
    return bytes;
  }

  // Takes one frame.
  void receive() {
    const std::string head = receive_bytes(kFrameHead);
    const std::string payload = receive_bytes(number(std::string_view(head).substr(0, 3)));
    const auto type = static_cast<uint8_t>(head[3]);
    const auto flags = static_cast<uint8_t>(head[4]);
    const auto stream = static_cast<int32_t>(number(std::string_view(head).substr(5)));
    RawAnswer& answer = answers_[stream];
    if (type == NGHTTP2_SETTINGS && !(flags & NGHTTP2_FLAG_ACK)) {
      send_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "");
    }
    if (type == NGHTTP2_WINDOW_UPDATE && stream == 0) window_ += number(payload);
    if (type == NGHTTP2_RST_STREAM) answer.reset = number(payload);
    if (type == NGHTTP2_DATA) answer.body += payload;
    if (type == NGHTTP2_HEADERS) inflate(payload, answer);
    if (type == NGHTTP2_DATA || type == NGHTTP2_HEADERS) answer.ended = flags & NGHTTP2_FLAG_END_STREAM;
  }
  void inflate(std::string_view block, RawAnswer& answer) {
    int flags = 0;
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
      nghttp2_nv field{};
      const ssize_t used = nghttp2_hd_inflate_hd2(
          inflater_, &field, &flags, reinterpret_cast<const uint8_t*>(block.data()), block.size(), 1);
      if (used < 0) throw std::runtime_error("the server's fields cannot be read");
      block.remove_prefix(static_cast<size_t>(used));
      if (!(flags & NGHTTP2_HD_INFLATE_EMIT)) continue;
      answer.fields[{reinterpret_cast<const char*>(field.name), field.namelen}] = {
          reinterpret_cast<const char*>(field.value), field.valuelen};
    }
    nghttp2_hd_inflate_end_headers(inflater_);
  }

  const int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  nghttp2_hd_inflater* inflater_ = nullptr;
  int32_t next_stream_ = 1;
  int64_t window_ = 65535;  // of the connection, towards the server
  std::map<int32_t, RawAnswer> answers_;
};

}  // namespace cloudless::grpc::testing
