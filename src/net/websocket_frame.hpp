// WebSocket frames (RFC 6455 section 5) without I/O.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::net::websocket {

enum class Opcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Frame {
  bool final = true;
  Opcode opcode = Opcode::kBinary;
  std::string payload;  // unmasked
};

enum class Masking { kForbidden, kRequired };

struct Parsed {
  Frame frame;
  size_t consumed = 0;
};

/// The frame at the beginning of `bytes`, nothing while it is not complete. kInvalid on a breach of the
/// protocol, kResourceExhausted past `payload_limit`.
Result<std::optional<Parsed>> parse_frame(std::string_view bytes, Masking masking, size_t payload_limit);
/// Masked where `mask` is given.
std::string write_frame(const Frame& frame, const std::optional<std::array<uint8_t, 4>>& mask);

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2).
std::string accept_key(std::string_view key);

}  // namespace cloudless::net::websocket
