#include "net/websocket_frame.hpp"

#include <openssl/sha.h>

#include "base/encoding.hpp"

namespace cloudless::net::websocket {

namespace {

constexpr size_t kControlPayloadBytes = 125;

uint64_t big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

void put_big_endian(std::string& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
}

void apply_mask(std::string& payload, std::string_view mask) {
  for (size_t i = 0; i < payload.size(); ++i) payload[i] ^= mask[i % 4];
}

bool control(Opcode opcode) { return static_cast<uint8_t>(opcode) >= 8; }

Result<Opcode> parse_opcode(uint8_t bits) {
  const bool known = bits <= 2 || (bits >= 8 && bits <= 10);
  if (!known) return fail(Code::kInvalid, "websocket: unknown opcode {}", bits);
  return static_cast<Opcode>(bits);
}

}  // namespace

Result<std::optional<Parsed>> parse_frame(std::string_view bytes, Masking masking, size_t payload_limit) {
  if (bytes.size() < 2) return std::optional<Parsed>();
  const auto first = static_cast<uint8_t>(bytes[0]);
  const auto second = static_cast<uint8_t>(bytes[1]);
  if (first & 0x70) return fail(Code::kInvalid, "websocket: reserved bits are set");
  Parsed parsed;
  parsed.frame.final = (first & 0x80) != 0;
  parsed.frame.opcode = TRY(parse_opcode(first & 0x0f));
  const bool masked = (second & 0x80) != 0;
  if (masked != (masking == Masking::kRequired)) return fail(Code::kInvalid, "websocket: wrong masking");
  uint64_t length = second & 0x7f;
  if (control(parsed.frame.opcode) && (!parsed.frame.final || length > kControlPayloadBytes)) {
    return fail(Code::kInvalid, "websocket: malformed control frame");
  }
  size_t at = 2;
  if (const size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0) {
    if (bytes.size() < at + extended) return std::optional<Parsed>();
    length = big_endian(bytes.substr(at, extended));
    at += extended;
  }
  if (length > payload_limit) return fail(Code::kResourceExhausted, "websocket: message too big");
  const size_t mask_at = at;
  if (masked) at += 4;
  if (bytes.size() < at + length) return std::optional<Parsed>();
  parsed.frame.payload = bytes.substr(at, length);
  if (masked) apply_mask(parsed.frame.payload, bytes.substr(mask_at, 4));
  parsed.consumed = at + length;
  return std::optional(std::move(parsed));
}

std::string write_frame(const Frame& frame, const std::optional<std::array<uint8_t, 4>>& mask) {
  std::string out;
  out.reserve(frame.payload.size() + 14);
  out += static_cast<char>((frame.final ? 0x80 : 0) | static_cast<uint8_t>(frame.opcode));
  const auto mask_bit = static_cast<uint8_t>(mask ? 0x80 : 0);
  const size_t length = frame.payload.size();
  if (length < 126) {
    out += static_cast<char>(mask_bit | length);
  } else if (length <= 0xffff) {
    out += static_cast<char>(mask_bit | 126);
    put_big_endian(out, length, 2);
  } else {
    out += static_cast<char>(mask_bit | 127);
    put_big_endian(out, length, 8);
  }
  if (!mask) return out += frame.payload;
  const std::string_view key(reinterpret_cast<const char*>(mask->data()), 4);
  std::string payload = frame.payload;
  apply_mask(payload, key);
  return out.append(key).append(payload);
}

std::string accept_key(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::string digest(SHA_DIGEST_LENGTH, '\0');
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(digest.data()));
  return base64_encode(digest);
}

}  // namespace cloudless::net::websocket
