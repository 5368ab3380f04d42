#include "schema/yaml.hpp"

#include <libfyaml.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>

#include "base/strings.hpp"
#include "schema/object_util.hpp"
#include "schema/yaml_characters.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<int64_t> resolve_integer(std::string_view text) {
  std::string digits;
  std::copy_if(text.begin(), text.end(), std::back_inserter(digits), [](char c) { return c != '_'; });
  std::string_view rest = digits;
  const bool negative = rest.starts_with('-');
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  int base = 10;
  if (rest.size() > 2 && rest[0] == '0' && (rest[1] == 'x' || rest[1] == 'b' || rest[1] == 'o')) {
    base = rest[1] == 'x' ? 16 : rest[1] == 'b' ? 2 : 8;
    rest.remove_prefix(2);
  } else if (rest.size() > 1 && rest[0] == '0') {
    base = 8;
  }
  if (rest.empty() || !std::isalnum(static_cast<unsigned char>(rest[0]))) return std::nullopt;
  const std::string signed_text = (negative ? "-" : "") + std::string(rest);
  int64_t value = 0;
  const char* end = signed_text.data() + signed_text.size();
  const auto [stop, error] = std::from_chars(signed_text.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<double> resolve_float(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto unsigned_text = text.starts_with('-') ? text.substr(1) : text;
  const bool numeric =
      !unsigned_text.empty() && ((unsigned_text[0] >= '0' && unsigned_text[0] <= '9') ||
                                 (unsigned_text.size() > 1 && unsigned_text[0] == '.' &&
                                  std::isdigit(static_cast<unsigned char>(unsigned_text[1]))));
  if (!numeric) return std::nullopt;
  std::string padded(text);  // from_chars wants a digit before the point
  if (const size_t point = padded.find('.'); point == 0 || (point == 1 && padded[0] == '-'))
    padded.insert(point, "0");
  double value = 0;
  const char* end = padded.data() + padded.size();
  const auto [stop, error] = std::from_chars(padded.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// A plain scalar as YAML 1.1 resolves it in Go's library.
json::value resolve_plain(std::string_view text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"}))
    return false;
  const char first = text[0];
  if (first == '-' || first == '+' || first == '.' || (first >= '0' && first <= '9')) {
    if (const auto integer = resolve_integer(text)) return *integer;
    if (const auto number = resolve_float(text)) return *number;
  }
  return json::value(text);
}

struct ParserDeleter {
  void operator()(fy_parser* parser) const { fy_parser_destroy(parser); }
  void operator()(fy_diag* diag) const { fy_diag_destroy(diag); }
};

std::string_view token_text(fy_token* token) {
  if (!token) return {};
  size_t size = 0;
  const char* text = fy_token_get_text(token, &size);
  return text ? std::string_view(text, size) : std::string_view();
}

/// Builds values from libfyaml's events; aliases are copied, within kMaxYamlNodes.
class YamlReader {
 public:
  YamlReader(std::string_view text, std::vector<std::string>* duplicates) : duplicates_(duplicates) {
    fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = nullptr;
    diag_config.output_fn = [](fy_diag*, void*, const char*, size_t) {};  // errors are returned, not printed
    diag_.reset(fy_diag_create(&diag_config));
    fy_diag_set_collect_errors(diag_.get(), true);
    fy_parse_cfg config{};
    config.diag = diag_.get();
    config.flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE |
                                                   FYPCF_DEFAULT_VERSION_1_1);
    parser_.reset(fy_parser_create(&config));
    if (parser_) fy_parser_set_string(parser_.get(), text.data(), text.size());
  }

  Result<std::vector<json::value>> documents() {
    std::vector<json::value> out;
    if (!parser_) return fail(Code::kInternal, "the YAML parser cannot be made");
    while (true) {
      Event event = TRY(next());
      if (event.type == FYET_NONE || event.type == FYET_STREAM_END) return out;
      if (event.type == FYET_STREAM_START || event.type == FYET_DOCUMENT_START ||
          event.type == FYET_DOCUMENT_END)
        continue;
      anchors_.clear();
      out.push_back(TRY(node(event, "", 0)));
    }
  }

 private:
  struct Event {
    fy_event_type type = FYET_NONE;
    std::string text, anchor, tag;
    bool plain = false;
  };

  Result<Event> next() {
    fy_event* raw = fy_parser_parse(parser_.get());
    if (!raw) {
      if (fy_parser_get_stream_error(parser_.get())) return syntax_error();
      return Event{};
    }
    Event out{.type = raw->type};
    switch (raw->type) {
      case FYET_SCALAR:
        out.text = token_text(raw->scalar.value);
        out.plain = !raw->scalar.value || fy_token_scalar_style(raw->scalar.value) == FYSS_PLAIN;
        out.anchor = token_text(raw->scalar.anchor);
        out.tag = token_text(raw->scalar.tag);
        break;
      case FYET_ALIAS:
        out.text = token_text(raw->alias.anchor);
        break;
      case FYET_MAPPING_START:
        out.anchor = token_text(raw->mapping_start.anchor);
        break;
      case FYET_SEQUENCE_START:
        out.anchor = token_text(raw->sequence_start.anchor);
        break;
      default:
        break;
    }
    fy_parser_event_free(parser_.get(), raw);
    return out;
  }

  std::unexpected<Error> syntax_error() {
    std::string message = "did not parse";
    int line = 0;
    void* previous = nullptr;
    if (const fy_diag_error* error = fy_diag_errors_iterate(diag_.get(), &previous)) {
      message = error->msg ? error->msg : message;
      line = error->line;
    }
    return fail(Code::kInvalid, "error converting YAML to JSON: yaml: line {}: {}", line, message);
  }

  Result<json::value> node(const Event& event, const std::string& path, size_t depth) {
    if (depth > kMaxDepth) return fail(Code::kInvalid, "exceeded max depth");
    if (++nodes_ > kMaxYamlNodes) return too_many();
    switch (event.type) {
      case FYET_SCALAR: {
        json::value value =
            event.plain && event.tag != kStringTag ? resolve_plain(event.text) : json::value(event.text);
        return remember(event, std::move(value), 1);
      }
      case FYET_ALIAS: {
        const auto hit = anchors_.find(event.text);
        if (hit == anchors_.end()) {
          return fail(Code::kInvalid, "error converting YAML to JSON: yaml: unknown anchor '{}' referenced",
                      event.text);
        }
        nodes_ += hit->second.nodes;
        if (nodes_ > kMaxYamlNodes) return too_many();
        return hit->second.value;
      }
      case FYET_SEQUENCE_START:
        return sequence(event, path, depth);
      case FYET_MAPPING_START:
        return mapping(event, path, depth);
      default:
        return fail(Code::kInvalid, "error converting YAML to JSON: yaml: unexpected end of stream");
    }
  }

  Result<json::value> sequence(const Event& start, const std::string& path, size_t depth) {
    const size_t before = nodes_;
    json::array out;
    while (true) {
      const Event event = TRY(next());
      if (event.type == FYET_SEQUENCE_END) return remember(start, std::move(out), nodes_ - before + 1);
      out.push_back(TRY(node(event, fmt::format("{}[{}]", path, out.size()), depth + 1)));
    }
  }

  Result<json::value> mapping(const Event& start, const std::string& path, size_t depth) {
    const size_t before = nodes_;
    json::object out;
    std::vector<json::value> merges;
    while (true) {
      const Event key_event = TRY(next());
      if (key_event.type == FYET_MAPPING_END) break;
      const json::value key = TRY(node(key_event, path, depth + 1));
      if (key.is_object() || key.is_array()) {
        return fail(Code::kInvalid, "error converting YAML to JSON: yaml: invalid map key: a collection");
      }
      const std::string name = key.is_string() ? std::string(key.get_string()) : serialize_json(key);
      const std::string inner = path.empty() ? name : path + "." + name;
      json::value value = TRY(node(TRY(next()), inner, depth + 1));
      if (name == "<<" && key_event.plain) {
        merges.push_back(std::move(value));
      } else if (out.contains(name)) {
        if (duplicates_) duplicates_->push_back(inner);
        out[name] = std::move(value);
      } else {
        out.emplace(name, std::move(value));
      }
    }
    for (const json::value& merge : merges) TRY(merge_into(out, merge));
    return remember(start, std::move(out), nodes_ - before + 1);
  }

  /// YAML's merge key: what is there stays.
  static Result<> merge_into(json::object& out, const json::value& merge) {
    if (const auto* object = merge.if_object()) {
      for (const auto& entry : *object) out.emplace(entry.key(), entry.value());
      return {};
    }
    const auto* list = merge.if_array();
    if (!list)
      return fail(
          Code::kInvalid,
          "error converting YAML to JSON: yaml: map merge requires map or sequence of maps as the value");
    for (const json::value& item : *list) TRY(merge_into(out, item));
    return {};
  }

  json::value remember(const Event& event, json::value value, size_t nodes) {
    if (!event.anchor.empty()) anchors_[event.anchor] = {value, nodes};
    return value;
  }

  static std::unexpected<Error> too_many() {
    return fail(Code::kResourceExhausted,
                "error converting YAML to JSON: yaml: document contains excessive aliasing");
  }

  struct Anchor {
    json::value value;
    size_t nodes = 0;
  };
  std::unique_ptr<fy_diag, ParserDeleter> diag_;
  std::unique_ptr<fy_parser, ParserDeleter> parser_;
  std::vector<std::string>* duplicates_;
  std::map<std::string, Anchor> anchors_;
  size_t nodes_ = 0;
};

// Writing.

bool plain_is_safe(std::string_view text) {
  if (text.empty() || trim(text) != text) return false;
  if (!resolve_plain(text).is_string()) return false;
  if (std::string_view("-?:,[]{}#&*!|>'\"%@`=<").find(text[0]) != std::string_view::npos) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c >= 0x7f) return false;
    if (c == ':' && (i + 1 == text.size() || text[i + 1] == ' ')) return false;
    if (c == '#' && text[i - 1] == ' ') return false;
  }
  return text != "---" && text != "...";
}

/// Whether a literal block keeps the text: several lines, nothing that needs escapes or an indentation
/// indicator.
bool block_is_safe(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text[0] == ' ' || text[0] == '\n' || text[0] == '\t')
    return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\n' || c == '\t' ||
           (static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f);
  });
}

class YamlWriter {
 public:
  explicit YamlWriter(std::string& out) : out_(out) {}

  /// Writes what stands after "key:" or "- ", or a whole document.
  void value(const json::value& value, size_t indent) {
    if (const auto* object = value.if_object(); object && !object->empty()) {
      members(*object, indent);
    } else if (const auto* array = value.if_array(); array && !array->empty()) {
      items(*array, indent);
    } else {
      scalar(value, indent);
      out_ += '\n';
    }
  }

 private:
  void members(const json::object& object, size_t indent) {
    bool first = true;
    for (const auto& entry : object) {
      if (!first) out_.append(indent, ' ');
      first = false;
      text(entry.key(), indent, false);
      out_ += ':';
      const json::value& member = entry.value();
      const bool block_list = member.is_array() && !member.get_array().empty();
      const bool block_map = member.is_object() && !member.get_object().empty();
      if (block_list || block_map) {
        const size_t inner = block_map ? indent + 2 : indent;
        out_ += '\n';
        out_.append(inner, ' ');
        value(member, inner);
      } else {
        out_ += ' ';
        value(member, indent + 2);
      }
    }
  }

  void items(const json::array& array, size_t indent) {
    for (size_t i = 0; i < array.size(); ++i) {
      if (i) out_.append(indent, ' ');
      out_ += "- ";
      value(array[i], indent + 2);
    }
  }

  void scalar(const json::value& value, size_t indent) {
    if (const auto* string = value.if_string()) {
      text(*string, indent, true);
    } else {
      append_json(value, out_);
    }
  }

  void text(std::string_view text, size_t indent, bool may_be_block) {
    if (plain_is_safe(text)) {
      out_ += text;
    } else if (may_be_block && block_is_safe(text)) {
      block(text, indent == 0 ? 2 : indent);
    } else {
      append_json_string(text, out_);
    }
  }

  void block(std::string_view text, size_t indent) {
    size_t ends = 0;
    while (ends < text.size() && text[text.size() - 1 - ends] == '\n') ++ends;
    out_ += ends == 0 ? "|-" : ends == 1 ? "|" : "|+";
    auto lines = split(text, '\n');
    if (ends > 0) lines.pop_back();
    for (const auto line : lines) {
      out_ += '\n';
      if (!line.empty()) out_.append(indent, ' ').append(line);
    }
  }

  std::string& out_;
};

Result<> check_size(std::string_view text, const JsonParseOptions& options) {
  if (text.size() <= options.max_bytes) return {};
  return fail(Code::kResourceExhausted, "the text is larger than the limit of {} bytes", options.max_bytes);
}

}  // namespace

Result<std::vector<json::value>> parse_yaml_documents(std::string_view text,
                                                      const JsonParseOptions& options) {
  TRY(check_size(text, options));
  TRY(check_yaml_characters(text));
  auto documents = TRY(YamlReader(text, options.duplicates).documents());
  std::erase_if(documents, [](const json::value& value) { return value.is_null(); });
  return documents;
}

Result<json::value> parse_yaml(std::string_view text, const JsonParseOptions& options) {
  TRY(check_size(text, options));
  // JSON is the common case and much cheaper to read as such.
  if (trim(text).starts_with('{')) {
    if (auto value = parse_json(text, options)) return value;
    if (options.duplicates) options.duplicates->clear();
  }
  TRY(check_yaml_characters(text));
  auto documents = TRY(YamlReader(text, options.duplicates).documents());
  return documents.empty() ? json::value() : std::move(documents.front());
}

std::string serialize_yaml(const json::value& value) {
  std::string out;
  YamlWriter(out).value(value, 0);
  return out;
}

}  // namespace cloudless::schema
