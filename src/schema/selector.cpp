#include "schema/selector.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <tuple>

#include "base/strings.hpp"
#include "schema/names.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

using Op = SelectorOperator;

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<> check_requirement(const Requirement& requirement) {
  if (const auto complaints = check_qualified_name(requirement.key); !complaints.empty()) {
    return fail(Code::kInvalid, "key: Invalid value: {}: {}", quote(requirement.key), join(complaints, "; "));
  }
  const bool listed = requirement.op == Op::kIn || requirement.op == Op::kNotIn;
  if (listed && requirement.values.empty()) {
    return fail(Code::kInvalid,
                "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  }
  const bool ordered = requirement.op == Op::kGreaterThan || requirement.op == Op::kLessThan;
  for (size_t i = 0; i < requirement.values.size(); ++i) {
    const std::string& value = requirement.values[i];
    if (ordered && !parse_integer(value)) {
      return fail(Code::kInvalid,
                  "values[{}]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer", i,
                  quote(value));
    }
    if (const auto complaints = check_label_value(value); !complaints.empty()) {
      return fail(Code::kInvalid, "values[{}][{}]: Invalid value: {}: {}", i, requirement.key, quote(value),
                  join(complaints, "; "));
    }
  }
  return {};
}

enum class Token {
  kEnd,
  kIdentifier,
  kComma,
  kOpen,
  kClose,
  kNot,
  kEquals,
  kDoubleEquals,
  kNotEquals,
  kGreater,
  kLess,
  kIn,
  kNotIn
};

/// The grammar of label selectors, by recursive descent; words and errors as upstream's labels.Parser.
class SelectorParser {
 public:
  explicit SelectorParser(std::string_view text) : text_(text) { advance(false); }

  Result<std::vector<Requirement>> parse() {
    std::vector<Requirement> out;
    if (token_ == Token::kEnd) return out;
    while (true) {
      if (token_ != Token::kIdentifier && token_ != Token::kNot) {
        return fail(Code::kInvalid, "found '{}', expected: !, identifier, or 'end of string'", literal_);
      }
      auto one = requirement();
      if (!one) return wrap(std::move(one).error(), "unable to parse requirement");
      out.push_back(std::move(*one));
      if (token_ == Token::kEnd) return out;
      if (token_ != Token::kComma)
        return fail(Code::kInvalid, "found '{}', expected: ',' or 'end of string'", literal_);
      advance(false);
      if (token_ != Token::kIdentifier && token_ != Token::kNot) {
        return fail(Code::kInvalid, "found '{}', expected: identifier after ','", literal_);
      }
    }
  }

 private:
  Result<Requirement> requirement() {
    Requirement out;
    bool negated = false;
    if (token_ == Token::kNot) {
      negated = true;
      advance(false);
    }
    if (token_ != Token::kIdentifier)
      return fail(Code::kInvalid, "found '{}', expected: identifier", literal_);
    out.key = literal_;
    if (const auto bad = check_qualified_name(out.key); !bad.empty()) {
      return fail(Code::kInvalid, "key: Invalid value: {}: {}", quote(out.key), join(bad, "; "));
    }
    advance(true);
    if (token_ == Token::kEnd || token_ == Token::kComma) {
      out.op = negated ? Op::kDoesNotExist : Op::kExists;
      return out;
    }
    if (negated) return fail(Code::kInvalid, "found '{}', expected: ',' or 'end of string'", literal_);
    out.op = TRY(operation());
    if (out.op == Op::kIn || out.op == Op::kNotIn) {
      out.values = TRY(value_list());
    } else {
      out.values.push_back(TRY(single_value()));
    }
    std::sort(out.values.begin(), out.values.end());
    out.values.erase(std::unique(out.values.begin(), out.values.end()), out.values.end());
    TRY(check_requirement(out));
    return out;
  }

  Result<Op> operation() {
    switch (token_) {
      case Token::kIn:
        return Op::kIn;
      case Token::kNotIn:
        return Op::kNotIn;
      case Token::kEquals:
        return Op::kEquals;
      case Token::kDoubleEquals:
        return Op::kDoubleEquals;
      case Token::kNotEquals:
        return Op::kNotEquals;
      case Token::kGreater:
        return Op::kGreaterThan;
      case Token::kLess:
        return Op::kLessThan;
      default:
        return fail(Code::kInvalid, "found '{}', expected: in, notin, =, ==, !=, gt, lt", literal_);
    }
  }

  Result<std::string> single_value() {
    advance(false);
    if (token_ == Token::kEnd || token_ == Token::kComma) return std::string();
    if (token_ != Token::kIdentifier)
      return fail(Code::kInvalid, "found '{}', expected: identifier", literal_);
    std::string value = literal_;
    advance(false);
    return value;
  }

  Result<std::vector<std::string>> value_list() {
    advance(false);
    if (token_ != Token::kOpen) return fail(Code::kInvalid, "found '{}' expected: '('", literal_);
    advance(false);
    std::vector<std::string> out;
    if (token_ == Token::kClose) {
      advance(false);
      return std::vector<std::string>{""};
    }
    while (true) {
      if (token_ == Token::kIdentifier) {
        out.push_back(literal_);
        advance(false);
      } else if (token_ == Token::kComma || token_ == Token::kClose) {
        out.emplace_back();
      } else {
        return fail(Code::kInvalid, "found '{}', expected: ',', ')' or identifier", literal_);
      }
      if (token_ == Token::kClose) break;
      if (token_ != Token::kComma) return fail(Code::kInvalid, "found '{}', expected: ',' or ')'", literal_);
      advance(false);
    }
    advance(false);
    return out;
  }

  static bool is_symbol(char c) { return std::string_view("=!(),<>").find(c) != std::string_view::npos; }
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  /// `after_key`: where the words in and notin are operators.
  void advance(bool after_key) {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    if (at_ == text_.size()) return set(Token::kEnd, 0);
    const auto rest = text_.substr(at_);
    if (rest.starts_with("==")) return set(Token::kDoubleEquals, 2);
    if (rest.starts_with("!=")) return set(Token::kNotEquals, 2);
    switch (rest[0]) {
      case '=':
        return set(Token::kEquals, 1);
      case '!':
        return set(Token::kNot, 1);
      case '(':
        return set(Token::kOpen, 1);
      case ')':
        return set(Token::kClose, 1);
      case ',':
        return set(Token::kComma, 1);
      case '>':
        return set(Token::kGreater, 1);
      case '<':
        return set(Token::kLess, 1);
      default:
        break;
    }
    size_t length = 0;
    while (length < rest.size() && !is_space(rest[length]) && !is_symbol(rest[length])) ++length;
    const auto word = rest.substr(0, length);
    const Token token = after_key && word == "in"      ? Token::kIn
                        : after_key && word == "notin" ? Token::kNotIn
                                                       : Token::kIdentifier;
    set(token, length);
  }

  void set(Token token, size_t length) {
    token_ = token;
    literal_ = std::string(text_.substr(at_, length));
    at_ += length;
  }

  std::string_view text_;
  size_t at_ = 0;
  Token token_ = Token::kEnd;
  std::string literal_;
};

std::string requirement_text(const Requirement& requirement) {
  const std::string values = join(requirement.values, ",");
  switch (requirement.op) {
    case Op::kIn:
      return requirement.key + " in (" + values + ")";
    case Op::kNotIn:
      return requirement.key + " notin (" + values + ")";
    case Op::kEquals:
      return requirement.key + "=" + values;
    case Op::kDoubleEquals:
      return requirement.key + "==" + values;
    case Op::kNotEquals:
      return requirement.key + "!=" + values;
    case Op::kExists:
      return requirement.key;
    case Op::kDoesNotExist:
      return "!" + requirement.key;
    case Op::kGreaterThan:
      return requirement.key + ">" + values;
    case Op::kLessThan:
      return requirement.key + "<" + values;
  }
  return {};
}

/// A field selector's text cut at unescaped commas.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> out;
  size_t start = 0;
  bool escaped = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (escaped) {
      escaped = false;
    } else if (text[i] == '\\') {
      escaped = true;
    } else if (text[i] == ',') {
      out.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  out.push_back(text.substr(start));
  return out;
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (i + 1 == text.size() || std::string_view("\\,=").find(text[i + 1]) == std::string_view::npos) {
        return fail(Code::kInvalid, "invalid field selector: invalid escape sequence: {}", text.substr(i, 2));
      }
      ++i;
    } else if (text[i] == '=' || text[i] == ',') {
      return fail(Code::kInvalid, "invalid field selector: unescaped character in value: {}", text[i]);
    }
    out += text[i];
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == ',' || c == '=') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

bool Requirement::matches(
    const std::function<std::optional<std::string_view>(std::string_view)>& value_of) const {
  const auto value = value_of(key);
  const auto listed = [&] { return std::find(values.begin(), values.end(), *value) != values.end(); };
  switch (op) {
    case Op::kIn:
    case Op::kEquals:
    case Op::kDoubleEquals:
      return value && listed();
    case Op::kNotIn:
    case Op::kNotEquals:
      return !value || !listed();
    case Op::kExists:
      return value.has_value();
    case Op::kDoesNotExist:
      return !value;
    case Op::kGreaterThan:
    case Op::kLessThan: {
      if (!value || values.size() != 1) return false;
      const auto left = parse_integer(*value);
      const auto right = parse_integer(values[0]);
      return left && right && (op == Op::kGreaterThan ? *left > *right : *left < *right);
    }
  }
  return false;
}

LabelSelector::LabelSelector(std::vector<Requirement> requirements) : requirements_(std::move(requirements)) {
  std::sort(requirements_.begin(), requirements_.end(), [](const Requirement& a, const Requirement& b) {
    return std::tie(a.key, a.op) < std::tie(b.key, b.op);
  });
}

LabelSelector LabelSelector::nothing() {
  LabelSelector out;
  out.nothing_ = true;
  return out;
}

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  return LabelSelector(TRY(SelectorParser(text).parse()));
}

LabelSelector LabelSelector::from_map(const Labels& labels) {
  std::vector<Requirement> out;
  for (const auto& [key, value] : labels) out.push_back({key, Op::kEquals, {value}});
  return LabelSelector(std::move(out));
}

Result<Requirement> make_requirement(std::string key, std::string_view op, std::vector<std::string> values) {
  Requirement out{std::move(key), Op::kIn, std::move(values)};
  if (op == "In") {
    out.op = Op::kIn;
  } else if (op == "NotIn") {
    out.op = Op::kNotIn;
  } else if (op == "Exists") {
    out.op = Op::kExists;
  } else if (op == "DoesNotExist") {
    out.op = Op::kDoesNotExist;
  } else {
    return fail(Code::kInvalid, "{} is not a valid label selector operator", quote(op));
  }
  std::sort(out.values.begin(), out.values.end());
  TRY(check_requirement(out));
  return out;
}

Result<LabelSelector> LabelSelector::from_value(const json::value& value) {
  const auto* object = value.if_object();
  if (!object) return nothing();
  std::vector<Requirement> out;
  if (const auto* labels = object->if_contains("matchLabels"); labels && labels->is_object()) {
    for (const auto& [key, wanted] : labels->get_object()) {
      if (wanted.is_string())
        out.push_back({std::string(key), Op::kEquals, {std::string(wanted.get_string())}});
    }
  }
  if (const auto* expressions = object->if_contains("matchExpressions");
      expressions && expressions->is_array()) {
    for (const json::value& item : expressions->get_array()) {
      const auto* expression = item.if_object();
      if (!expression) return fail(Code::kInvalid, "a label selector requirement must be an object");
      const auto text = [&](std::string_view name) {
        const auto* given = expression->if_contains(name);
        return given && given->is_string() ? std::string(given->get_string()) : std::string();
      };
      std::vector<std::string> values;
      if (const auto* list = expression->if_contains("values"); list && list->is_array()) {
        for (const json::value& one : list->get_array()) {
          if (one.is_string()) values.emplace_back(one.get_string());
        }
      }
      out.push_back(TRY(make_requirement(text("key"), text("operator"), std::move(values))));
    }
  }
  return LabelSelector(std::move(out));
}

bool LabelSelector::matches(const Labels& labels) const {
  if (nothing_) return false;
  const auto value_of = [&](std::string_view key) -> std::optional<std::string_view> {
    const auto hit = labels.find(std::string(key));
    return hit == labels.end() ? std::nullopt : std::optional<std::string_view>(hit->second);
  };
  return std::all_of(requirements_.begin(), requirements_.end(),
                     [&](const Requirement& r) { return r.matches(value_of); });
}

bool LabelSelector::matches(const json::value* labels) const {
  if (nothing_) return false;
  const auto* object = labels ? labels->if_object() : nullptr;
  const auto value_of = [&](std::string_view key) -> std::optional<std::string_view> {
    const auto* value = object ? object->if_contains(key) : nullptr;
    if (!value || !value->is_string()) return std::nullopt;
    return std::string_view(value->get_string());
  };
  return std::all_of(requirements_.begin(), requirements_.end(),
                     [&](const Requirement& r) { return r.matches(value_of); });
}

std::string LabelSelector::to_string() const {
  std::vector<std::string> parts;
  for (const Requirement& requirement : requirements_) parts.push_back(requirement_text(requirement));
  return join(parts, ",");
}

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  std::vector<Term> terms;
  for (const std::string_view part : split_terms(text)) {
    if (part.empty()) continue;
    const size_t at = part.find('=');
    if (at == std::string_view::npos || at == 0) {
      return fail(Code::kInvalid, "invalid selector: '{}'; can't understand '{}'", text, part);
    }
    Term term;
    term.equals = part[at - 1] != '!';
    term.field = std::string(part.substr(0, term.equals ? at : at - 1));
    auto value = part.substr(at + 1);
    if (term.equals && value.starts_with('=')) value.remove_prefix(1);
    term.value = TRY(unescape(value));
    if (term.field.empty())
      return fail(Code::kInvalid, "invalid selector: '{}'; can't understand '{}'", text, part);
    terms.push_back(std::move(term));
  }
  return FieldSelector(std::move(terms));
}

bool FieldSelector::matches(const std::function<std::string(std::string_view)>& value_of) const {
  return std::all_of(terms_.begin(), terms_.end(),
                     [&](const Term& term) { return (value_of(term.field) == term.value) == term.equals; });
}

std::optional<std::string> FieldSelector::required_value(std::string_view field) const {
  for (const Term& term : terms_) {
    if (term.equals && term.field == field) return term.value;
  }
  return std::nullopt;
}

std::string FieldSelector::to_string() const {
  std::vector<std::string> parts;
  for (const Term& term : terms_)
    parts.push_back(term.field + (term.equals ? "=" : "!=") + escape(term.value));
  return join(parts, ",");
}

}  // namespace cloudless::schema
