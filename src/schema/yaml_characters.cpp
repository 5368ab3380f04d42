#include "schema/yaml_characters.hpp"

#include <cstdint>

namespace cloudless::schema {

namespace {

std::unexpected<Error> refuse(std::string_view reason) {
  return fail(Code::kInvalid, "error converting YAML to JSON: yaml: {}", reason);
}

size_t length_by_first_byte(uint8_t first) {
  if (first < 0x80) return 1;
  if ((first & 0xe0) == 0xc0) return 2;
  if ((first & 0xf0) == 0xe0) return 3;
  return (first & 0xf8) == 0xf0 ? 4 : 0;
}

bool overlong(uint32_t rune, size_t length) {
  return (length == 2 && rune < 0x80) || (length == 3 && rune < 0x800) || (length == 4 && rune < 0x10000);
}

bool printable(uint32_t rune) {
  return rune == '\t' || rune == '\n' || rune == '\r' || (rune >= 0x20 && rune <= 0x7e) || rune == 0x85 ||
         (rune >= 0xa0 && rune <= 0xd7ff) || (rune >= 0xe000 && rune <= 0xfffd && rune != 0xfeff) ||
         (rune >= 0x10000 && rune <= 0x10ffff);
}

}  // namespace

Result<> check_yaml_characters(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    const auto first = static_cast<uint8_t>(text[0]);
    const size_t length = length_by_first_byte(first);
    if (length == 0) return refuse("invalid leading UTF-8 octet");
    if (length > text.size()) return refuse("incomplete UTF-8 octet sequence");
    uint32_t rune = length == 1 ? first : first & (0x7f >> length);
    for (size_t i = 1; i < length; ++i) {
      const auto next = static_cast<uint8_t>(text[i]);
      if ((next & 0xc0) != 0x80) return refuse("invalid trailing UTF-8 octet");
      rune = rune << 6 | (next & 0x3f);
    }
    if (overlong(rune, length)) return refuse("invalid length of a UTF-8 sequence");
    if ((rune >= 0xd800 && rune <= 0xdfff) || rune > 0x10ffff) return refuse("invalid Unicode character");
    if (!printable(rune)) return refuse("control characters are not allowed");
    text.remove_prefix(length);
  }
  return {};
}

}  // namespace cloudless::schema
