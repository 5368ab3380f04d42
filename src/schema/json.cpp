#include "schema/json.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/strings.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

/// How Go's scanner names a character in its errors: 'x', '\'', '"', '\n', '\u00e9'.
std::string quote_char(unsigned char c) {
  if (c == '\'') return R"('\'')";
  if (c == '"') return R"('"')";
  if (c >= 0x80) return fmt::format("'\\u{:04x}'", c);
  const char letter = static_cast<char>(c);
  std::string text = quote({&letter, 1});
  text.front() = text.back() = '\'';
  return text;
}

void append_utf8(uint32_t rune, std::string& out) {
  if (rune < 0x80) {
    out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    out += static_cast<char>(0xc0 | rune >> 6);
    out += static_cast<char>(0x80 | (rune & 0x3f));
  } else if (rune < 0x10000) {
    out += static_cast<char>(0xe0 | rune >> 12);
    out += static_cast<char>(0x80 | (rune >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (rune & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | rune >> 18);
    out += static_cast<char>(0x80 | (rune >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (rune >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (rune & 0x3f));
  }
}

/// Length of the well-formed UTF-8 sequence at `p`, or 0.
size_t utf8_length(const char* p, const char* end) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(p[i]); };
  const auto continues = [&](size_t i) { return p + i < end && (byte(i) & 0xc0) == 0x80; };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if ((lead & 0xf0) == 0xe0) {
    if (!continues(1) || !continues(2)) return 0;
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;
    if (lead == 0xed && byte(1) > 0x9f) return 0;  // surrogates
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (lead == 0xf0 && byte(1) < 0x90) return 0;
    if (lead == 0xf4 && byte(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

constexpr uint32_t kReplacement = 0xfffd;

class Parser {
 public:
  Parser(std::string_view text, std::vector<std::string>* duplicates)
      : p_(text.data()), end_(text.data() + text.size()), duplicates_(duplicates) {}

  Result<json::value> parse() {
    json::value out;
    TRY(value(out, 0));
    skip_space();
    if (p_ < end_) return bad("after top-level value");
    return out;
  }

 private:
  Result<> value(json::value& out, size_t depth) {
    skip_space();
    if (p_ == end_) return ended();
    if (depth > kMaxDepth) return fail(Code::kInvalid, "exceeded max depth");
    switch (*p_) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"': {
        TRY(string(scratch_));
        out = std::string_view(scratch_);
        return {};
      }
      case 't':
        return literal("true", out, true);
      case 'f':
        return literal("false", out, false);
      case 'n':
        return literal("null", out, nullptr);
      default:
        if (*p_ == '-' || is_digit(*p_)) return number(out);
        return bad("looking for beginning of value");
    }
  }

  Result<> object(json::value& out, size_t depth) {
    json::object& object = out.emplace_object();
    ++p_;
    skip_space();
    if (p_ < end_ && *p_ == '}') return ++p_, Result<>{};
    while (true) {
      skip_space();
      if (p_ == end_) return ended();
      if (*p_ != '"') return bad("looking for beginning of object key string");
      TRY(string(scratch_));
      const auto [entry, inserted] = object.emplace(scratch_, nullptr);
      if (!inserted) note_duplicate(entry->key());
      skip_space();
      if (p_ == end_) return ended();
      if (*p_ != ':') return bad("after object key");
      ++p_;
      path_.push_back({entry->key(), 0, true});
      TRY(value(entry->value(), depth + 1));
      path_.pop_back();
      skip_space();
      if (p_ == end_) return ended();
      if (*p_ == '}') return ++p_, Result<>{};
      if (*p_ != ',') return bad("after object key:value pair");
      ++p_;
    }
  }

  Result<> array(json::value& out, size_t depth) {
    json::array& array = out.emplace_array();
    ++p_;
    skip_space();
    if (p_ < end_ && *p_ == ']') return ++p_, Result<>{};
    while (true) {
      path_.push_back({{}, array.size(), false});
      TRY(value(array.emplace_back(nullptr), depth + 1));
      path_.pop_back();
      skip_space();
      if (p_ == end_) return ended();
      if (*p_ == ']') return ++p_, Result<>{};
      if (*p_ != ',') return bad("after array element");
      ++p_;
    }
  }

  template <class T>
  Result<> literal(std::string_view word, json::value& out, T meaning) {
    for (size_t i = 0; i < word.size(); ++i, ++p_) {
      if (p_ == end_) return ended();
      if (*p_ != word[i]) return bad(fmt::format("in literal {} (expecting '{}')", word, word[i]));
    }
    out = meaning;
    return {};
  }

  Result<> number(json::value& out) {
    const char* start = p_;
    bool integral = true;
    if (*p_ == '-') ++p_;
    if (p_ == end_) return ended();
    if (*p_ == '0') {
      ++p_;
    } else if (is_digit(*p_)) {
      skip_digits();
    } else {
      return bad("in numeric literal");
    }
    if (p_ < end_ && *p_ == '.') {
      integral = false;
      ++p_;
      TRY(digits("after decimal point in numeric literal"));
    }
    if (p_ < end_ && (*p_ == 'e' || *p_ == 'E')) {
      integral = false;
      ++p_;
      if (p_ < end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      TRY(digits("in exponent of numeric literal"));
    }
    if (integral) {
      int64_t whole = 0;
      if (std::from_chars(start, p_, whole).ec == std::errc()) {
        out = whole;
        return {};
      }
    }
    double real = 0;
    if (std::from_chars(start, p_, real).ec != std::errc() || !std::isfinite(real)) {
      return fail(Code::kInvalid, "json: cannot unmarshal number {} into Go value of type float64",
                  std::string_view(start, p_));
    }
    out = real;
    return {};
  }

  Result<> digits(std::string_view where) {
    if (p_ == end_) return ended();
    if (!is_digit(*p_)) return bad(where);
    skip_digits();
    return {};
  }

  Result<> string(std::string& out) {
    out.clear();
    ++p_;
    while (true) {
      const char* run = p_;
      while (p_ < end_ && static_cast<unsigned char>(*p_) >= 0x20 && *p_ != '"' && *p_ != '\\' &&
             static_cast<unsigned char>(*p_) < 0x80) {
        ++p_;
      }
      out.append(run, p_);
      if (p_ == end_) return ended();
      const auto c = static_cast<unsigned char>(*p_);
      if (c == '"') return ++p_, Result<>{};
      if (c < 0x20) return bad("in string literal");
      if (c == '\\') {
        TRY(escape(out));
      } else if (const size_t length = utf8_length(p_, end_)) {
        out.append(p_, length);
        p_ += length;
      } else {
        append_utf8(kReplacement, out);
        ++p_;
      }
    }
  }

  Result<> escape(std::string& out) {
    ++p_;
    if (p_ == end_) return ended();
    switch (*p_++) {
      case '"':
        out += '"';
        return {};
      case '\\':
        out += '\\';
        return {};
      case '/':
        out += '/';
        return {};
      case 'b':
        out += '\b';
        return {};
      case 'f':
        out += '\f';
        return {};
      case 'n':
        out += '\n';
        return {};
      case 'r':
        out += '\r';
        return {};
      case 't':
        out += '\t';
        return {};
      case 'u':
        break;
      default:
        --p_;
        return bad("in string escape code");
    }
    uint32_t rune = TRY(hex4());
    if (rune >= 0xd800 && rune <= 0xdbff && end_ - p_ >= 6 && p_[0] == '\\' && p_[1] == 'u') {
      const char* before = p_;
      p_ += 2;
      const uint32_t low = TRY(hex4());
      if (low >= 0xdc00 && low <= 0xdfff) {
        rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
      } else {
        p_ = before;
      }
    }
    if (rune >= 0xd800 && rune <= 0xdfff) rune = kReplacement;
    append_utf8(rune, out);
    return {};
  }

  Result<uint32_t> hex4() {
    uint32_t rune = 0;
    for (int i = 0; i < 4; ++i, ++p_) {
      if (p_ == end_) return ended();
      const char c = *p_;
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return bad("in \\u hexadecimal character escape");
      rune = rune << 4 | static_cast<uint32_t>(digit);
    }
    return rune;
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  void skip_digits() {
    while (p_ < end_ && is_digit(*p_)) ++p_;
  }
  void skip_space() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
  std::unexpected<Error> ended() const { return fail(Code::kInvalid, "unexpected end of JSON input"); }
  std::unexpected<Error> bad(std::string_view where) const {
    return fail(Code::kInvalid, "invalid character {} {}", quote_char(static_cast<unsigned char>(*p_)),
                where);
  }

  void note_duplicate(std::string_view key) {
    if (!duplicates_) return;
    std::string path;
    for (const Step& step : path_) {
      if (!step.is_key) {
        path += fmt::format("[{}]", step.index);
      } else {
        if (!path.empty()) path += '.';
        path += step.key;
      }
    }
    if (!path.empty()) path += '.';
    duplicates_->push_back(path.append(key));
  }

  struct Step {
    std::string key;
    size_t index = 0;
    bool is_key = false;
  };
  const char* p_;
  const char* end_;
  std::vector<std::string>* duplicates_;
  std::vector<Step> path_;
  std::string scratch_;
};

}  // namespace

Result<json::value> parse_json(std::string_view text, const JsonParseOptions& options) {
  if (text.size() > options.max_bytes) {
    return fail(Code::kResourceExhausted, "the text is larger than the limit of {} bytes", options.max_bytes);
  }
  return Parser(text, options.duplicates).parse();
}

void append_json_string(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  const char* p = text.data();
  const char* end = p + text.size();
  while (p < end) {
    const char* run = p;
    while (p < end) {
      const auto c = static_cast<unsigned char>(*p);
      if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&') break;
      ++p;
    }
    out.append(run, p);
    if (p == end) break;
    const auto c = static_cast<unsigned char>(*p);
    if (c >= 0x80) {
      const size_t length = utf8_length(p, end);
      if (length == 0) {
        out += "\\ufffd";
        ++p;
      } else if (length == 3 && c == 0xe2 && static_cast<unsigned char>(p[1]) == 0x80 &&
                 (static_cast<unsigned char>(p[2]) & 0xfe) == 0xa8) {
        out += (p[2] & 1) ? "\\u2029" : "\\u2028";
        p += 3;
      } else {
        out.append(p, length);
        p += length;
      }
      continue;
    }
    ++p;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case 0x7f:
        out += '\x7f';
        break;
      default:
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out += '"';
}

void append_json_double(double number, std::string& out) {
  const double size = std::fabs(number);
  const bool scientific = size != 0 && (size < 1e-6 || size >= 1e21);
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number,
                                 scientific ? std::chars_format::scientific : std::chars_format::fixed)
                       .ptr;
  std::string_view text(buffer, end);
  // Go writes e-7 where C++ writes e-07.
  const size_t n = text.size();
  if (scientific && n >= 4 && text[n - 4] == 'e' && text[n - 3] == '-' && text[n - 2] == '0') {
    out.append(text.substr(0, n - 2)).push_back(text[n - 1]);
  } else {
    out.append(text);
  }
}

void append_json(const json::value& value, std::string& out) {
  switch (value.kind()) {
    case json::kind::null:
      out += "null";
      break;
    case json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      break;
    case json::kind::int64:
      fmt::format_to(std::back_inserter(out), "{}", value.get_int64());
      break;
    case json::kind::uint64:
      fmt::format_to(std::back_inserter(out), "{}", value.get_uint64());
      break;
    case json::kind::double_:
      append_json_double(value.get_double(), out);
      break;
    case json::kind::string:
      append_json_string(value.get_string(), out);
      break;
    case json::kind::array: {
      char before = '[';
      for (const json::value& item : value.get_array()) {
        out += before;
        append_json(item, out);
        before = ',';
      }
      if (before == '[') out += '[';
      out += ']';
      break;
    }
    case json::kind::object: {
      char before = '{';
      for (const auto& [key, item] : value.get_object()) {
        out += before;
        append_json_string(key, out);
        out += ':';
        append_json(item, out);
        before = ',';
      }
      if (before == '{') out += '{';
      out += '}';
      break;
    }
  }
}

std::string serialize_json(const json::value& value) {
  std::string out;
  append_json(value, out);
  return out;
}

void sort_keys(json::value& value) {
  if (auto* array = value.if_array()) {
    for (json::value& item : *array) sort_keys(item);
  } else if (auto* object = value.if_object()) {
    for (auto& entry : *object) sort_keys(entry.value());
    const auto by_key = [](const auto& a, const auto& b) { return a.key() < b.key(); };
    if (std::is_sorted(object->begin(), object->end(), by_key)) return;
    std::vector<std::string> keys;
    keys.reserve(object->size());
    for (const auto& entry : *object) keys.emplace_back(entry.key());
    std::sort(keys.begin(), keys.end());
    json::object sorted(object->storage());
    sorted.reserve(keys.size());
    for (const std::string& key : keys) sorted.emplace(key, std::move((*object)[key]));
    *object = std::move(sorted);
  }
}

namespace {

bool equal_numbers(const json::value& a, const json::value& b) {
  if (a.is_int64() && b.is_int64()) return a.get_int64() == b.get_int64();
  return a.to_number<double>() == b.to_number<double>();
}

}  // namespace

bool equal_json(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return equal_numbers(a, b);
  if (a.kind() != b.kind()) return false;
  if (const auto* left = a.if_object()) {
    const auto& right = b.get_object();
    if (left->size() != right.size()) return false;
    for (const auto& entry : *left) {
      const json::value* other = right.if_contains(entry.key());
      if (!other || !equal_json(entry.value(), *other)) return false;
    }
    return true;
  }
  if (const auto* left = a.if_array()) {
    const auto& right = b.get_array();
    return left->size() == right.size() && std::equal(left->begin(), left->end(), right.begin(), equal_json);
  }
  return a == b;
}

}  // namespace cloudless::schema
