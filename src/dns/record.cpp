#include "dns/record.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "dns/service_params.hpp"
#include "dns/wire.hpp"

namespace cloudless::dns {

namespace {

using enum FieldKind;

struct TypeInfo {
  Type type;
  std::string_view name;
  std::vector<FieldKind> fields;
};

const std::vector<TypeInfo>& type_table() {
  static const std::vector<TypeInfo> table = {
      {Type::kA, "A", {kIpv4}},
      {Type::kNs, "NS", {kCompressibleName}},
      {Type::kCname, "CNAME", {kCompressibleName}},
      {Type::kSoa, "SOA", {kCompressibleName, kCompressibleName, kU32, kTime, kTime, kTime, kTime}},
      {Type::kPtr, "PTR", {kCompressibleName}},
      {Type::kHinfo, "HINFO", {kString, kString}},
      {Type::kMx, "MX", {kU16, kCompressibleName}},
      {Type::kTxt, "TXT", {kStrings}},
      {Type::kRp, "RP", {kName, kName}},
      {Type::kAfsdb, "AFSDB", {kU16, kName}},
      {Type::kAaaa, "AAAA", {kIpv6}},
      {Type::kLoc, "LOC", {}},
      {Type::kSrv, "SRV", {kU16, kU16, kU16, kName}},
      {Type::kNaptr, "NAPTR", {kU16, kU16, kString, kString, kString, kName}},
      {Type::kDname, "DNAME", {kName}},
      {Type::kOpt, "OPT", {}},
      {Type::kDs, "DS", {kU16, kU8, kU8, kHex}},
      {Type::kSshfp, "SSHFP", {kU8, kU8, kHex}},
      {Type::kTlsa, "TLSA", {kU8, kU8, kU8, kHex}},
      {Type::kOpenpgpkey, "OPENPGPKEY", {kBase64}},
      {Type::kSvcb, "SVCB", {kU16, kName, kServiceParams}},
      {Type::kHttps, "HTTPS", {kU16, kName, kServiceParams}},
      {Type::kSpf, "SPF", {kStrings}},
      {Type::kIxfr, "IXFR", {}},
      {Type::kAxfr, "AXFR", {}},
      {Type::kAny, "ANY", {}},
      {Type::kCaa, "CAA", {kU8, kTag, kRawString}},
  };
  return table;
}

const TypeInfo* find_type(Type type) {
  for (const TypeInfo& info : type_table()) {
    if (info.type == type) return &info;
  }
  return nullptr;
}

template <class Number>
Result<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return fail(Code::kInvalid, "{} is not a number from 0 to {}", quote(text),
                std::numeric_limits<Number>::max());
  }
  return value;
}

// The bytes of a word, its escapes resolved.
Result<std::string> unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const char c = text[0];
    text.remove_prefix(1);
    if (c != '\\') {
      out += c;
      continue;
    }
    if (text.empty()) return fail(Code::kInvalid, "a string ends in the middle of an escape");
    if (text[0] < '0' || text[0] > '9') {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    if (text.size() < 3) return fail(Code::kInvalid, "an escape needs three digits");
    out += static_cast<char>(TRY(parse_number<uint8_t>(text.substr(0, 3))));
    text.remove_prefix(3);
  }
  return out;
}

Result<> append_string(std::string& out, std::string_view word) {
  const std::string bytes = TRY(unescape(word));
  if (bytes.size() > 255) return fail(Code::kInvalid, "a string is longer than 255 bytes");
  out += static_cast<char>(bytes.size());
  out += bytes;
  return {};
}

// Words to the end, joined: hexadecimal and base64 may be split anywhere.
std::string rest_of(const std::vector<Word>& words, size_t from) {
  std::string joined;
  for (size_t i = from; i < words.size(); ++i) joined += words[i].text;
  return joined;
}

Result<> append_rest(std::string& out, FieldKind kind, const std::vector<Word>& words, size_t from) {
  switch (kind) {
    case kStrings:
      for (size_t i = from; i < words.size(); ++i) TRY(append_string(out, words[i].text));
      return {};
    case kHex:
      out += TRY(hex_decode(rest_of(words, from)));
      return {};
    case kBase64:
      out += TRY(base64_decode(rest_of(words, from)));
      return {};
    case kServiceParams:
      out += TRY(parse_service_params(words, from));
      return {};
    default:
      return fail(Code::kInternal, "not a field that goes to the end");
  }
}

bool goes_to_the_end(FieldKind kind) {
  return kind == kStrings || kind == kHex || kind == kBase64 || kind == kServiceParams;
}

Result<> append_field(std::string& out, FieldKind kind, std::string_view word, const Name& origin) {
  switch (kind) {
    case kCompressibleName:
    case kName:
      out += TRY(Name::parse(word, origin)).wire();
      return {};
    case kIpv4:
      out += TRY(parse_ipv4(word));
      return {};
    case kIpv6:
      out += TRY(parse_ipv6(word));
      return {};
    case kU8:
      out += static_cast<char>(TRY(parse_number<uint8_t>(word)));
      return {};
    case kU16:
      append_u16(out, TRY(parse_number<uint16_t>(word)));
      return {};
    case kU32:
      append_u32(out, TRY(parse_number<uint32_t>(word)));
      return {};
    case kTime:
      append_u32(out, TRY(parse_ttl(word)));
      return {};
    case kTypeNumber:
      append_u16(out, static_cast<uint16_t>(TRY(parse_type(word))));
      return {};
    case kString:
      return append_string(out, word);
    case kTag: {
      const bool plain = std::ranges::all_of(word, [](unsigned char c) { return std::isalnum(c); });
      if (word.empty() || !plain)
        return fail(Code::kInvalid, "tag {} is not letters and digits", quote(word));
      return append_string(out, word);
    }
    case kRawString:
      out += TRY(unescape(word));
      return {};
    default:
      return fail(Code::kInternal, "not a field of one word");
  }
}

// RFC 3597 section 5: \# length hexadecimal.
Result<std::string> parse_generic(const std::vector<Word>& words) {
  if (words.size() < 2) return fail(Code::kInvalid, "\\# needs a length");
  const auto length = TRY(parse_number<uint16_t>(words[1].text));
  std::string bytes = TRY(hex_decode(rest_of(words, 2)));
  if (bytes.size() != length) {
    return fail(Code::kInvalid, "\\# announces {} bytes and has {}", length, bytes.size());
  }
  return bytes;
}

// Reads typed fields off rdata; `ok` turns false where it is too short.
struct Reader {
  std::string_view rest;
  bool ok = true;

  std::string_view take(size_t count) {
    if (count > rest.size()) {
      ok = false;
      count = rest.size();
    }
    const std::string_view taken = rest.substr(0, count);
    rest.remove_prefix(count);
    return taken;
  }
  uint32_t number(size_t bytes) {
    uint32_t value = 0;
    for (const char c : take(bytes)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  std::string_view name() {
    size_t at = 0;
    while (at < rest.size() && rest[at] != 0) at += static_cast<uint8_t>(rest[at]) + 1u;
    return take(at + 1);
  }
};

std::string quoted_text(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    if (c < 0x20 || c >= 0x7f) {
      out += fmt::format("\\{:03}", static_cast<uint8_t>(c));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

std::string address_text(int family, std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  return inet_ntop(family, bytes.data(), buffer.data(), buffer.size()) ? buffer.data() : "";
}

std::string field_to_text(FieldKind kind, Reader& reader) {
  switch (kind) {
    case kCompressibleName:
    case kName: {
      const auto name = Name::from_wire(reader.name());
      reader.ok = reader.ok && name.has_value();
      return name ? name->to_text() : "";
    }
    case kIpv4: {
      const auto bytes = reader.take(4);
      return reader.ok ? address_text(AF_INET, bytes) : "";
    }
    case kIpv6: {
      const auto bytes = reader.take(16);
      return reader.ok ? address_text(AF_INET6, bytes) : "";
    }
    case kU8:
      return std::to_string(reader.number(1));
    case kU16:
      return std::to_string(reader.number(2));
    case kU32:
    case kTime:
      return std::to_string(reader.number(4));
    case kTypeNumber:
      return to_text(static_cast<Type>(reader.number(2)));
    case kString:
      return quoted_text(reader.take(reader.number(1)));
    case kTag:
      return std::string(reader.take(reader.number(1)));
    case kRawString:
      return quoted_text(reader.take(reader.rest.size()));
    case kHex:
      return to_upper(hex_encode(reader.take(reader.rest.size())));
    case kBase64:
      return base64_encode(reader.take(reader.rest.size()));
    case kServiceParams:
      return service_params_to_text(reader.take(reader.rest.size()));
    case kStrings: {
      std::string text;
      while (reader.ok && !reader.rest.empty()) {
        if (!text.empty()) text += ' ';
        text += quoted_text(reader.take(reader.number(1)));
      }
      return text;
    }
  }
  return "";
}

std::string generic_text(std::string_view rdata) {
  return fmt::format("\\# {}{}{}", rdata.size(), rdata.empty() ? "" : " ", to_upper(hex_encode(rdata)));
}

}  // namespace

std::string to_text(Type type) {
  const TypeInfo* info = find_type(type);
  return info ? std::string(info->name) : fmt::format("TYPE{}", static_cast<uint16_t>(type));
}

Result<Type> parse_type(std::string_view text) {
  for (const TypeInfo& info : type_table()) {
    if (equal_ignoring_case(info.name, text)) return info.type;
  }
  if (text.size() > 4 && equal_ignoring_case(text.substr(0, 4), "TYPE")) {
    return static_cast<Type>(TRY(parse_number<uint16_t>(text.substr(4))));
  }
  return fail(Code::kInvalid, "{} is not a record type", quote(text));
}

const std::vector<FieldKind>& fields_of(Type type) {
  static const std::vector<FieldKind> none;
  const TypeInfo* info = find_type(type);
  return info ? info->fields : none;
}

Result<std::string> parse_rdata(Type type, const std::vector<Word>& words, const Name& origin) {
  if (!words.empty() && words[0].text == "\\#" && !words[0].quoted) return parse_generic(words);
  const std::vector<FieldKind>& fields = fields_of(type);
  if (fields.empty()) {
    return fail(Code::kInvalid, "{} records can only be written in the form of RFC 3597 (\\# length hex)",
                to_text(type));
  }
  std::string rdata;
  size_t at = 0;
  for (const FieldKind kind : fields) {
    if (goes_to_the_end(kind)) {
      if (at == words.size() && kind != kServiceParams)
        return fail(Code::kInvalid, "{} data is incomplete", to_text(type));
      TRY(append_rest(rdata, kind, words, at));
      at = words.size();
    } else {
      if (at == words.size()) return fail(Code::kInvalid, "{} data is incomplete", to_text(type));
      TRY(append_field(rdata, kind, words[at++].text, origin));
    }
  }
  if (at != words.size())
    return fail(Code::kInvalid, "{} is too much for {} data", quote(words[at].text), to_text(type));
  if (rdata.size() > 65535) return fail(Code::kInvalid, "{} data is longer than 65535 bytes", to_text(type));
  return rdata;
}

Result<std::string> parse_rdata(Type type, std::string_view text, const Name& origin) {
  return parse_rdata(type, TRY(split_words(text)), origin);
}

std::string rdata_to_text(Type type, std::string_view rdata) {
  const std::vector<FieldKind>& fields = fields_of(type);
  if (fields.empty()) return generic_text(rdata);
  Reader reader{rdata};
  std::string text;
  for (const FieldKind kind : fields) {
    const std::string field = field_to_text(kind, reader);
    if (!text.empty() && !field.empty()) text += ' ';
    text += field;
  }
  return reader.ok && reader.rest.empty() ? text : generic_text(rdata);
}

Result<uint32_t> parse_ttl(std::string_view text) {
  constexpr uint64_t kMaxTtl = 0x7fffffff;
  const auto bad = [text] { return fail(Code::kInvalid, "{} is not a time to live", quote(text)); };
  if (text.empty()) return bad();
  uint64_t total = 0;
  uint64_t number = 0;
  bool has_digits = false;
  for (const char c : to_lower(text)) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + static_cast<uint64_t>(c - '0');
      has_digits = true;
      if (number > kMaxTtl) return bad();
      continue;
    }
    const uint64_t unit = c == 's'   ? 1
                          : c == 'm' ? 60
                          : c == 'h' ? 3600
                          : c == 'd' ? 86400
                          : c == 'w' ? 604800
                                     : 0;
    if (unit == 0 || !has_digits) return bad();
    total += number * unit;
    number = 0;
    has_digits = false;
  }
  total += number;
  if (total > kMaxTtl) return bad();
  return static_cast<uint32_t>(total);
}

Result<std::vector<Word>> split_words(std::string_view text) {
  std::vector<Word> words;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == ' ' || text[at] == '\t') {
      ++at;
      continue;
    }
    Word word{.text = {}, .quoted = text[at] == '"'};
    if (word.quoted) ++at;
    bool ended = !word.quoted;
    while (at < text.size()) {
      const char c = text[at];
      if (word.quoted ? c == '"' : c == ' ' || c == '\t') break;
      if (c == '\\' && at + 1 < text.size()) word.text += text[at++];
      word.text += text[at++];
    }
    if (word.quoted && at < text.size()) {
      ++at;
      ended = true;
    }
    if (!ended) return fail(Code::kInvalid, "a quoted string does not end");
    words.push_back(std::move(word));
  }
  return words;
}

namespace {
Result<std::string> parse_address(int family, size_t size, std::string_view text) {
  std::string bytes(size, '\0');
  if (inet_pton(family, std::string(text).c_str(), bytes.data()) != 1) {
    return fail(Code::kInvalid, "{} is not an IPv{} address", quote(text), family == AF_INET ? 4 : 6);
  }
  return bytes;
}
}  // namespace

Result<std::string> parse_ipv4(std::string_view text) { return parse_address(AF_INET, 4, text); }
Result<std::string> parse_ipv6(std::string_view text) { return parse_address(AF_INET6, 16, text); }

}  // namespace cloudless::dns
