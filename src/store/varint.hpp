// Unsigned LEB128 numbers, and a reader that never runs past its bytes. The building blocks of records,
// journals and archives.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace cloudless::store {

inline void put_varint(std::string& out, uint64_t number) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<char>(number | 0x80));
  out.push_back(static_cast<char>(number));
}

/// Four bytes, little end first.
inline void put_fixed32(std::string& out, uint32_t number) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(number >> shift));
}
inline uint32_t load_fixed32(const char* bytes) {
  uint32_t number = 0;
  for (int i = 3; i >= 0; --i) number = (number << 8) | static_cast<uint8_t>(bytes[i]);
  return number;
}
inline void put_fixed64(std::string& out, uint64_t number) {
  put_fixed32(out, static_cast<uint32_t>(number));
  put_fixed32(out, static_cast<uint32_t>(number >> 32));
}
inline uint64_t load_fixed64(const char* bytes) {
  return load_fixed32(bytes) | (uint64_t{load_fixed32(bytes + 4)} << 32);
}

inline void put_bytes(std::string& out, std::string_view bytes) {
  put_varint(out, bytes.size());
  out += bytes;
}

/// Reads forward. A read past the end yields zero or nothing and makes ok() false from then on.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  uint8_t byte() {
    if (rest_.empty()) return fail_with<uint8_t>();
    const auto value = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  uint64_t varint() {
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t part = byte();
      number |= uint64_t{part & 0x7fu} << shift;
      if (part < 0x80) return number;
    }
    return fail_with<uint64_t>();
  }
  std::string_view take(uint64_t count) {
    if (count > rest_.size()) return fail_with<std::string_view>();
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view bytes() { return take(varint()); }

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  template <class T>
  T fail_with() {
    ok_ = false;
    rest_ = {};
    return T{};
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace cloudless::store
