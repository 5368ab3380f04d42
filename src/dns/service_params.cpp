#include "dns/service_params.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <map>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "dns/wire.hpp"

namespace cloudless::dns {

namespace {

// RFC 9460 section 14.3.2, the registry's first entries, by number.
constexpr std::array<std::string_view, 7> kKeyNames = {"mandatory", "alpn", "no-default-alpn", "port",
                                                       "ipv4hint",  "ech",  "ipv6hint"};
enum Key : uint16_t { kMandatory, kAlpn, kNoDefaultAlpn, kPort, kIpv4Hint, kEch, kIpv6Hint };

Result<uint16_t> parse_u16(std::string_view text) {
  uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return fail(Code::kInvalid, "{} is not a number from 0 to 65535", quote(text));
  }
  return value;
}

Result<uint16_t> parse_key(std::string_view text) {
  for (size_t i = 0; i < kKeyNames.size(); ++i) {
    if (text == kKeyNames[i]) return static_cast<uint16_t>(i);
  }
  if (text.starts_with("key")) return parse_u16(text.substr(3));
  return fail(Code::kInvalid, "{} is not a service parameter", quote(text));
}

std::string key_name(uint16_t key) {
  return key < kKeyNames.size() ? std::string(kKeyNames[key]) : fmt::format("key{}", key);
}

Result<std::string> parse_value(uint16_t key, std::string_view text) {
  std::string out;
  switch (key) {
    case kMandatory:
      for (const auto item : split(text, ',')) append_u16(out, TRY(parse_key(item)));
      return out;
    case kAlpn:
      for (const auto item : split(text, ',')) {
        if (item.empty() || item.size() > 255)
          return fail(Code::kInvalid, "{} is not a protocol name", quote(item));
        out += static_cast<char>(item.size());
        out += item;
      }
      return out;
    case kNoDefaultAlpn:
      if (!text.empty()) return fail(Code::kInvalid, "no-default-alpn takes no value");
      return out;
    case kPort:
      append_u16(out, TRY(parse_u16(text)));
      return out;
    case kIpv4Hint:
      for (const auto item : split(text, ',')) out += TRY(parse_ipv4(item));
      return out;
    case kEch:
      return base64_decode(text);
    case kIpv6Hint:
      for (const auto item : split(text, ',')) out += TRY(parse_ipv6(item));
      return out;
    default:
      return std::string(text);
  }
}

std::string list_to_text(std::string_view wire, size_t item_size, int family) {
  std::string text;
  for (; wire.size() >= item_size; wire.remove_prefix(item_size)) {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (!text.empty()) text += ',';
    text += family ? inet_ntop(family, wire.data(), buffer.data(), buffer.size())
                   : key_name(read_u16(wire, 0)).c_str();
  }
  return text;
}

std::string value_to_text(uint16_t key, std::string_view wire) {
  switch (key) {
    case kMandatory:
      return list_to_text(wire, 2, 0);
    case kAlpn: {
      std::string text;
      while (!wire.empty() && static_cast<uint8_t>(wire[0]) < wire.size()) {
        if (!text.empty()) text += ',';
        text += wire.substr(1, static_cast<uint8_t>(wire[0]));
        wire.remove_prefix(static_cast<uint8_t>(wire[0]) + 1u);
      }
      return text;
    }
    case kPort:
      return wire.size() == 2 ? std::to_string(read_u16(wire, 0)) : "";
    case kIpv4Hint:
      return list_to_text(wire, 4, AF_INET);
    case kEch:
      return base64_encode(wire);
    case kIpv6Hint:
      return list_to_text(wire, 16, AF_INET6);
    default:
      return std::string(wire);
  }
}

}  // namespace

Result<std::string> parse_service_params(const std::vector<Word>& words, size_t from) {
  std::map<uint16_t, std::string> params;
  for (size_t i = from; i < words.size(); ++i) {
    const std::string_view word = words[i].text;
    const size_t equals = word.find('=');
    const uint16_t key = TRY(parse_key(word.substr(0, equals)));
    std::string_view value = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (!params.emplace(key, TRY(parse_value(key, value))).second) {
      return fail(Code::kInvalid, "service parameter {} is given twice", key_name(key));
    }
  }
  std::string out;
  for (const auto& [key, value] : params) {
    append_u16(out, key);
    append_u16(out, static_cast<uint16_t>(value.size()));
    out += value;
  }
  return out;
}

std::string service_params_to_text(std::string_view wire) {
  std::string text;
  while (wire.size() >= 4) {
    const uint16_t key = read_u16(wire, 0);
    const size_t length = std::min<size_t>(read_u16(wire, 2), wire.size() - 4);
    if (!text.empty()) text += ' ';
    text += key_name(key);
    if (const std::string value = value_to_text(key, wire.substr(4, length)); !value.empty())
      text += "=" + value;
    wire.remove_prefix(4 + length);
  }
  return text;
}

}  // namespace cloudless::dns
