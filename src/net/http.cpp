#include "net/http.hpp"

#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::net {

namespace {

class WholeBody final : public BodyReader {
 public:
  explicit WholeBody(SharedBytes bytes) : bytes_(std::move(bytes)) {}
  runtime::Task<Result<std::optional<SharedBytes>>> next() override {
    if (!bytes_ || bytes_->empty()) co_return std::optional<SharedBytes>();
    co_return std::optional<SharedBytes>(std::exchange(bytes_, nullptr));
  }

 private:
  SharedBytes bytes_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const auto& [field, value] : fields_) {
    if (equal_ignoring_case(field, name)) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [field, value] : fields_) {
    if (equal_ignoring_case(field, name)) values.emplace_back(value);
  }
  return values;
}

void Headers::set(std::string name, std::string value) {
  remove(name);
  add(std::move(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [name](const auto& field) { return equal_ignoring_case(field.first, name); });
}

runtime::Task<Result<std::string>> read_all(BodyReader& body, size_t limit) {
  std::string bytes;
  while (std::optional<SharedBytes> piece = CO_TRY(co_await body.next())) {
    if (bytes.size() + (*piece)->size() > limit) {
      co_return fail(Code::kResourceExhausted, "the body is longer than {} bytes", limit);
    }
    bytes += **piece;
  }
  co_return bytes;
}

std::string_view Request::path() const { return std::string_view(target).substr(0, target.find('?')); }

std::string_view Request::query() const {
  const size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

std::unique_ptr<BodyReader> make_body(SharedBytes bytes) {
  return std::make_unique<WholeBody>(std::move(bytes));
}
std::unique_ptr<BodyReader> make_body(std::string bytes) { return make_body(share(std::move(bytes))); }

Result<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return fail(Code::kInvalid, "invalid URL escape {}", quote(text.substr(i, 3)));
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (unreserved(c)) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += to_upper(hex_encode(std::string_view(&c, 1)));
    }
  }
  return encoded;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const std::string_view parameter : split(query, '&')) {
    if (parameter.empty()) continue;
    if (parameter.contains(';')) return fail(Code::kInvalid, "invalid semicolon separator in query");
    const size_t equals = parameter.find('=');
    const std::string_view value = equals == std::string_view::npos ? "" : parameter.substr(equals + 1);
    std::string name = TRY(percent_decode(parameter.substr(0, equals), true));
    parameters.emplace_back(std::move(name), TRY(percent_decode(value, true)));
  }
  return parameters;
}

}  // namespace cloudless::net
