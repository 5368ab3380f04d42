// Numbers in network order inside packets and rdata. Offsets are checked by the caller.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cloudless::dns {

inline uint16_t read_u16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]));
}

inline uint32_t read_u32(std::string_view bytes, size_t at) {
  return static_cast<uint32_t>(read_u16(bytes, at)) << 16 | read_u16(bytes, at + 2);
}

inline void put_u16(std::string& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<char>(value >> 8);
  bytes[at + 1] = static_cast<char>(value);
}

inline void put_u32(std::string& bytes, size_t at, uint32_t value) {
  put_u16(bytes, at, static_cast<uint16_t>(value >> 16));
  put_u16(bytes, at + 2, static_cast<uint16_t>(value));
}

inline void append_u16(std::string& bytes, uint16_t value) {
  bytes += static_cast<char>(value >> 8);
  bytes += static_cast<char>(value);
}

inline void append_u32(std::string& bytes, uint32_t value) {
  append_u16(bytes, static_cast<uint16_t>(value >> 16));
  append_u16(bytes, static_cast<uint16_t>(value));
}

}  // namespace cloudless::dns
