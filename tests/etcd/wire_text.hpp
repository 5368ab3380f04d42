// A protobuf message as text, by its bytes alone: `1: { 2: 7 } 3: "value"`, fields by their numbers.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cloudless::etcd::testing {

namespace wire {

inline std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t number = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    number |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

inline std::string quoted(std::string_view bytes) {
  std::string out = "\"";
  for (const char byte : bytes) {
    const bool plain = byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
    out += plain ? std::string(1, byte) : fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
  }
  return out + '"';
}

inline bool is_text(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte >= ' ' && byte <= '~'; });
}

// Nothing where the bytes are no message of the fields that these contracts have: numbers and lengths.
inline std::optional<std::string> message(std::string_view bytes) {
  constexpr uint64_t kVarint = 0;
  constexpr uint64_t kLength = 2;
  std::string out;
  while (!bytes.empty()) {
    const auto tag = take_varint(bytes);
    if (!tag || *tag >> 3 == 0) return std::nullopt;
    const auto number = take_varint(bytes);
    if (!number) return std::nullopt;
    out += fmt::format("{}{}: ", out.empty() ? "" : " ", *tag >> 3);
    if ((*tag & 7) == kVarint) {
      out += fmt::format("{}", static_cast<int64_t>(*number));
    } else if ((*tag & 7) == kLength && *number <= bytes.size()) {
      const std::string_view field = bytes.substr(0, *number);
      bytes.remove_prefix(*number);
      const auto nested = is_text(field) ? std::nullopt : message(field);
      out += nested ? "{ " + *nested + " }" : quoted(field);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace wire

inline std::string wire_text(std::string_view bytes) {
  return wire::message(bytes).value_or(wire::quoted(bytes));
}

}  // namespace cloudless::etcd::testing
