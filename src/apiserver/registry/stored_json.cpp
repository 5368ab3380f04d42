#include "apiserver/registry/stored_json.hpp"

#include <optional>

namespace cloudless::apiserver {

namespace {

// A cursor over valid JSON that skips values without decoding them. Every step checks the bounds, so that
// damaged text ends in failure and never in reading past it.
class Scanner {
 public:
  explicit Scanner(std::string_view text, size_t position = 0) : text_(text), position_(position) {}

  size_t position() const { return position_; }
  bool eat(char expected) {
    skip_blanks();
    if (position_ >= text_.size() || text_[position_] != expected) return false;
    ++position_;
    return true;
  }
  // The raw text between the quotes.
  std::optional<std::string_view> string() {
    if (!eat('"')) return std::nullopt;
    const size_t begin = position_;
    while (position_ < text_.size() && text_[position_] != '"') position_ += text_[position_] == '\\' ? 2 : 1;
    if (position_ >= text_.size()) return std::nullopt;
    return text_.substr(begin, position_++ - begin);
  }
  bool skip_value() {
    skip_blanks();
    size_t depth = 0;
    do {
      skip_blanks();
      if (position_ >= text_.size()) return false;
      const char c = text_[position_];
      if (c == '"') {
        if (!string()) return false;
      } else if (c == '{' || c == '[') {
        ++depth;
        ++position_;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return false;
        --depth;
        ++position_;
      } else if (c == ',' || c == ':') {
        if (depth == 0) return false;
        ++position_;
      } else {
        skip_scalar();
      }
    } while (depth > 0);
    return true;
  }
  void skip_blanks() {
    while (position_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos) {
      ++position_;
    }
  }

 private:
  void skip_scalar() {
    while (position_ < text_.size() &&
           std::string_view(",:{}[] \t\r\n\"").find(text_[position_]) == std::string_view::npos) {
      ++position_;
    }
  }
  std::string_view text_;
  size_t position_;
};

struct Span {
  size_t begin = 0;  // of the value
  size_t end = 0;
};

struct Members {
  Span wanted[2];  // the values of the two names asked for; end 0 where absent
  size_t close = 0;
  bool empty = true;
};

// The members of the object that begins at `at`, looking for two names.
std::optional<Members> scan_object(std::string_view text, size_t at, std::string_view first,
                                   std::string_view second) {
  Scanner scanner(text, at);
  Members members;
  if (!scanner.eat('{')) return std::nullopt;
  for (;;) {
    scanner.skip_blanks();
    members.close = scanner.position();
    if (scanner.eat('}')) return members;
    if (!members.empty && !scanner.eat(',')) return std::nullopt;
    const std::optional<std::string_view> name = scanner.string();
    if (!name || !scanner.eat(':')) return std::nullopt;
    scanner.skip_blanks();
    const size_t begin = scanner.position();
    if (!scanner.skip_value()) return std::nullopt;
    members.empty = false;
    if (*name == first) members.wanted[0] = {begin, scanner.position()};
    if (*name == second) members.wanted[1] = {begin, scanner.position()};
  }
}

std::unexpected<Error> damaged() {
  return fail(Code::kDataLoss, "a stored object is no JSON object with metadata");
}

std::string replace(std::string_view text, Span span, std::string_view by) {
  std::string out;
  out.reserve(text.size() + by.size());
  out.append(text.substr(0, span.begin)).append(by).append(text.substr(span.end));
  return out;
}

}  // namespace

Result<std::string> with_resource_version(std::string_view stored, uint64_t revision) {
  const auto object = scan_object(stored, 0, "metadata", "");
  if (!object || object->wanted[0].end == 0) return damaged();
  const auto metadata = scan_object(stored, object->wanted[0].begin, "uid", "resourceVersion");
  if (!metadata) return damaged();
  const std::string value = fmt::format("\"{}\"", revision);
  if (metadata->wanted[1].end != 0) return replace(stored, metadata->wanted[1], value);
  if (metadata->wanted[0].end != 0) {
    const size_t after = metadata->wanted[0].end;
    return replace(stored, {after, after}, ",\"resourceVersion\":" + value);
  }
  return replace(stored, {metadata->close, metadata->close},
                 (metadata->empty ? "\"resourceVersion\":" : ",\"resourceVersion\":") + value);
}

Result<std::string> replace_api_version(std::string_view encoded, std::string_view api_version) {
  const auto object = scan_object(encoded, 0, "apiVersion", "");
  if (!object || object->wanted[0].end == 0) return damaged();
  return replace(encoded, object->wanted[0], fmt::format("\"{}\"", api_version));
}

}  // namespace cloudless::apiserver
