#include "dns/zone_text.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/strings.hpp"

namespace cloudless::dns {

namespace {

// A line with its continuations in parentheses: its words, and whether it began with a blank (the owner
// before holds).
struct Entry {
  size_t line = 0;
  bool blank_owner = false;
  std::vector<Word> words;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  /// The next entry with words; nothing at the end of the text.
  Result<std::optional<Entry>> next() {
    for (;;) {
      if (at_ == text_.size()) return std::nullopt;
      Entry entry{.line = line_, .blank_owner = text_[at_] == ' ' || text_[at_] == '\t', .words = {}};
      TRY(read_entry(entry));
      if (!entry.words.empty()) return entry;
    }
  }

  size_t line() const { return line_; }

 private:
  Result<> read_entry(Entry& entry) {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        ++at_;
        ++line_;
        if (depth == 0) return {};
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++at_;
      } else if (c == ';') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '(') {
        ++depth;
        ++at_;
      } else if (c == ')') {
        if (depth == 0) return fail(Code::kInvalid, "a closing parenthesis was not opened");
        --depth;
        ++at_;
      } else {
        entry.words.push_back(TRY(c == '"' ? read_quoted() : read_plain()));
      }
    }
    if (depth > 0) return fail(Code::kInvalid, "a parenthesis is not closed");
    return {};
  }

  Result<Word> read_quoted() {
    Word word{.text = {}, .quoted = true};
    for (++at_; at_ < text_.size() && text_[at_] != '\n'; ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return word;
      }
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) word.text += text_[at_++];
      word.text += text_[at_];
    }
    return fail(Code::kInvalid, "a quoted string does not end");
  }

  // A quote inside a word (alpn="h2,h3") belongs to it and covers blanks.
  Result<Word> read_plain() {
    Word word;
    bool in_quotes = false;
    for (; at_ < text_.size() && text_[at_] != '\n'; ++at_) {
      const char c = text_[at_];
      if (!in_quotes && std::string_view(" \t\r;()").find(c) != std::string_view::npos) break;
      if (c == '"') in_quotes = !in_quotes;
      if (c == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') word.text += text_[at_++];
      word.text += text_[at_];
    }
    if (in_quotes) return fail(Code::kInvalid, "a quoted string does not end");
    return word;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
};

Result<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return fail(Code::kInvalid, "{} is not a number", quote(text));
  }
  return value;
}

struct GenerateRange {
  int64_t start = 0;
  int64_t stop = 0;
  int64_t step = 1;
};

// "start-stop" or "start-stop/step".
Result<GenerateRange> parse_generate_range(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view span = text.substr(0, slash);
  const size_t dash = span.find('-');
  if (dash == std::string_view::npos)
    return fail(Code::kInvalid, "$GENERATE range {} is not start-stop", quote(text));
  GenerateRange range{TRY(parse_integer(span.substr(0, dash))), TRY(parse_integer(span.substr(dash + 1))), 1};
  if (slash != std::string_view::npos) range.step = TRY(parse_integer(text.substr(slash + 1)));
  if (range.start < 0 || range.stop < range.start || range.step < 1) {
    return fail(Code::kInvalid, "$GENERATE range {} is empty", quote(text));
  }
  if ((range.stop - range.start) / range.step >= kMaxGenerateSteps) {
    return fail(Code::kInvalid, "$GENERATE range {} has more than {} steps", quote(text), kMaxGenerateSteps);
  }
  return range;
}

// "${offset,width,base}" after "$": all three optional, base d, o, x or X.
Result<std::string> format_step(std::string_view modifiers, int64_t value) {
  const auto parts = split(modifiers, ',');
  if (parts.size() > 3)
    return fail(Code::kInvalid, "$GENERATE modifier {} has more than three parts", quote(modifiers));
  value += TRY(parse_integer(parts[0]));
  const int64_t width = parts.size() > 1 ? TRY(parse_integer(parts[1])) : 0;
  const std::string_view base = parts.size() > 2 ? parts[2] : "d";
  if (width < 0 || width > 255) return fail(Code::kInvalid, "$GENERATE width {} is out of range", width);
  if (base == "d") return fmt::format("{:0{}d}", value, width);
  if (base == "o") return fmt::format("{:0{}o}", value, width);
  if (base == "x") return fmt::format("{:0{}x}", value, width);
  if (base == "X") return fmt::format("{:0{}X}", value, width);
  return fail(Code::kInvalid, "$GENERATE base {} is not d, o, x or X", quote(base));
}

Result<std::string> expand_template(std::string_view text, int64_t value) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      if (text[at + 1] != '$') out += text[at];
      out += text[++at];
    } else if (text[at] != '$') {
      out += text[at];
    } else if (at + 1 < text.size() && text[at + 1] == '$') {
      out += text[++at];
    } else if (at + 1 < text.size() && text[at + 1] == '{') {
      const size_t close = text.find('}', at);
      if (close == std::string_view::npos) return fail(Code::kInvalid, "a $GENERATE modifier is not closed");
      out += TRY(format_step(text.substr(at + 2, close - at - 2), value));
      at = close;
    } else {
      out += std::to_string(value);
    }
  }
  return out;
}

class Parser {
 public:
  Parser(std::string_view text, const Name& origin) : lexer_(text), origin_(origin) {}

  Result<std::vector<Record>> run() {
    for (;;) {
      const size_t line = lexer_.line();
      auto entry = lexer_.next();
      if (!entry) return wrap(entry.error(), "line {}", line);
      if (!*entry) break;
      if (auto read = read_entry(**entry); !read) return wrap(read.error(), "line {}", (*entry)->line);
    }
    return std::move(records_);
  }

 private:
  Result<> read_entry(Entry& entry) {
    const std::string& first = entry.words[0].text;
    if (!entry.blank_owner && !entry.words[0].quoted && first.starts_with('$')) return read_directive(entry);
    return read_record(std::move(entry.words), entry.blank_owner);
  }

  Result<> read_directive(const Entry& entry) {
    const std::string name = to_upper(entry.words[0].text);
    const auto argument = [&]() -> Result<std::string_view> {
      if (entry.words.size() != 2) return fail(Code::kInvalid, "{} takes one argument", name);
      return entry.words[1].text;
    };
    if (name == "$ORIGIN") {
      origin_ = TRY(Name::parse(TRY(argument()), origin_));
      return {};
    }
    if (name == "$TTL") {
      default_ttl_ = TRY(parse_ttl(TRY(argument())));
      return {};
    }
    if (name == "$GENERATE") return generate(entry.words);
    if (name == "$INCLUDE") return fail(Code::kInvalid, "$INCLUDE is not possible here: a zone is one text");
    return fail(Code::kInvalid, "{} is not a directive", entry.words[0].text);
  }

  Result<> generate(const std::vector<Word>& words) {
    if (words.size() < 5) return fail(Code::kInvalid, "$GENERATE needs a range, an owner, a type and data");
    const GenerateRange range = TRY(parse_generate_range(words[1].text));
    for (int64_t step = range.start; step <= range.stop; step += range.step) {
      std::vector<Word> line;
      for (size_t i = 2; i < words.size(); ++i) {
        line.push_back({TRY(expand_template(words[i].text, step)), words[i].quoted});
      }
      TRY(read_record(std::move(line), false));
    }
    return {};
  }

  // [owner] [ttl] [class] type data, TTL and class in either order.
  Result<> read_record(std::vector<Word> words, bool blank_owner) {
    size_t at = 0;
    if (!blank_owner) owner_ = TRY(Name::parse(words[at++].text, origin_));
    if (!owner_) return fail(Code::kInvalid, "the first record has no owner");
    std::optional<uint32_t> ttl;
    bool has_class = false;
    for (; at < words.size(); ++at) {
      const std::string& word = words[at].text;
      if (!ttl && !word.empty() && word[0] >= '0' && word[0] <= '9') {
        ttl = TRY(parse_ttl(word));
      } else if (!has_class && equal_ignoring_case(word, "IN")) {
        has_class = true;
      } else if (equal_ignoring_case(word, "CH") || equal_ignoring_case(word, "HS")) {
        return fail(Code::kInvalid, "class {} is not served, only IN", word);
      } else {
        break;
      }
    }
    if (at == words.size()) return fail(Code::kInvalid, "a record has no type");
    const Type type = TRY(parse_type(words[at].text));
    if (type == Type::kOpt || type == Type::kAny || type == Type::kAxfr || type == Type::kIxfr) {
      return fail(Code::kInvalid, "{} is a question, not a record", to_text(type));
    }
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    std::string rdata = TRY(parse_rdata(type, words, origin_));
    return add({*owner_, type, TRY(ttl_for(ttl, type, rdata)), std::move(rdata)});
  }

  // RFC 1035: the TTL before holds; RFC 2308: $TTL; else the SOA's minimum.
  Result<uint32_t> ttl_for(std::optional<uint32_t> given, Type type, const std::string& rdata) {
    if (given) return *(last_ttl_ = given);
    if (default_ttl_) return *default_ttl_;
    if (last_ttl_) return *last_ttl_;
    if (type != Type::kSoa) return fail(Code::kInvalid, "no TTL is given and there is no $TTL");
    uint32_t minimum = 0;
    for (size_t i = rdata.size() - 4; i < rdata.size(); ++i)
      minimum = minimum << 8 | static_cast<uint8_t>(rdata[i]);
    return *(last_ttl_ = minimum);
  }

  Result<> add(Record record) {
    if (records_.size() >= kMaxZoneRecords) {
      return fail(Code::kResourceExhausted, "the zone has more than {} records", kMaxZoneRecords);
    }
    records_.push_back(std::move(record));
    return {};
  }

  Lexer lexer_;
  Name origin_;
  std::optional<Name> owner_;
  std::optional<uint32_t> default_ttl_;
  std::optional<uint32_t> last_ttl_;
  std::vector<Record> records_;
};

}  // namespace

Result<std::vector<Record>> parse_zone_text(std::string_view text, const Name& origin) {
  if (text.size() > kMaxZoneTextBytes) {
    return fail(Code::kResourceExhausted, "the zone text is longer than {} bytes", kMaxZoneTextBytes);
  }
  return Parser(text, origin).run();
}

Result<std::shared_ptr<const Zone>> parse_zone(std::string_view text, const Name& apex) {
  return Zone::make(apex, TRY(parse_zone_text(text, apex)));
}

std::string zone_to_text(const Zone& zone) {
  std::vector<std::string> lines;
  for (const Record& record : zone.records()) {
    lines.push_back(fmt::format("{} {} IN {} {}\n", record.owner.to_text(), record.ttl, to_text(record.type),
                                rdata_to_text(record.type, record.rdata)));
  }
  std::sort(lines.begin() + 1, lines.end());
  return join(lines, "");
}

}  // namespace cloudless::dns
