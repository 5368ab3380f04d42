#include "cli/flag_set.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "base/strings.hpp"

namespace cloudless::cli {

namespace {

// Go's strconv.ParseBool.
std::optional<bool> parse_truth(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  for (const std::string_view piece : split(text, ',')) out.emplace_back(piece);
  return out;
}

// A setter that forgets the default at the first use and then adds.
template <class Split>
auto appender(std::vector<std::string>& value, Split split_text) {
  return [&value, split_text, used = false](const std::string& text) mutable -> Result<> {
    if (!used) value.clear();
    used = true;
    std::ranges::move(split_text(text), std::back_inserter(value));
    return {};
  };
}

}  // namespace

FlagSet::Flag& FlagSet::add(std::string_view name, std::string_view type, std::string_view usage,
                            std::function<Result<>(const std::string&)> set) {
  Flag& flag = flags_[std::string(name)];
  flag.type = type;
  flag.usage = usage;
  flag.set = std::move(set);
  return flag;
}

void FlagSet::text(std::string_view name, std::string& value, std::string_view usage) {
  add(name, "string", usage, [&value](const std::string& text) -> Result<> {
    value = text;
    return {};
  });
}

void FlagSet::list(std::string_view name, std::vector<std::string>& value, std::string_view usage) {
  add(name, "strings", usage, appender(value, pieces));
}

void FlagSet::repeated(std::string_view name, std::vector<std::string>& value, std::string_view usage) {
  add(name, "stringArray", usage, appender(value, [](const std::string& text) { return std::vector{text}; }));
}

void FlagSet::truth(std::string_view name, bool& value, std::string_view usage) {
  add(name, "", usage, [&value](const std::string& text) -> Result<> {
    const std::optional<bool> parsed = parse_truth(text);
    if (!parsed) return fail(Code::kInvalid, "strconv.ParseBool: parsing {}: invalid syntax", quote(text));
    value = *parsed;
    return {};
  }).is_truth = true;
}

void FlagSet::number(std::string_view name, int64_t& value, std::string_view usage) {
  add(name, "int", usage, [&value](const std::string& text) -> Result<> {
    int64_t parsed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (error != std::errc() || end != text.data() + text.size())
      return fail(Code::kInvalid, "strconv.ParseInt: parsing {}: invalid syntax", quote(text));
    value = parsed;
    return {};
  });
}

void FlagSet::port(std::string_view name, uint16_t& value, std::string_view usage) {
  add(name, "int", usage, [&value](const std::string& text) -> Result<> {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return {};
    return fail(Code::kInvalid, "must be a number between 0 and 65535");
  });
}

void FlagSet::duration(std::string_view name, Duration& value, std::string_view usage) {
  add(name, "duration", usage, [&value](const std::string& text) -> Result<> {
    const auto parsed = parse_duration(text);
    if (!parsed) return fail(Code::kInvalid, "time: invalid duration {}", quote(text));
    value = *parsed;
    return {};
  });
}

void FlagSet::without_effect(Takes takes, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    Flag& flag = add(name, "string", "", [](const std::string&) -> Result<> { return {}; });
    flag.is_truth = takes == Takes::kTruth;
    flag.effective = false;
  }
}

void FlagSet::refused(std::initializer_list<std::string_view> names, std::string_view why) {
  for (const std::string_view name : names) {
    add(name, "string", "", [reason = std::string(why)](const std::string& text) -> Result<> {
      if (text.empty()) return {};
      return fail(Code::kInvalid, "{}", reason);
    });
  }
}

Result<> FlagSet::take(std::span<const std::string> arguments, size_t& at) {
  const std::string& argument = arguments[at++];
  if (!argument.starts_with('-') || argument.size() < 2)
    return fail(Code::kInvalid, "unknown command {}", quote(argument));
  if (!argument.starts_with("--") && argument.substr(0, 2) != "-v")
    return fail(Code::kInvalid, "unknown shorthand flag: {} in {}", quote(argument.substr(1, 1)), argument);
  const size_t dashes = argument.starts_with("--") ? 2 : 1;
  const size_t equals = argument.find('=');
  // Underscores count as dashes, as component-base's normalizer has it.
  std::string name = argument.substr(dashes, equals == std::string::npos ? equals : equals - dashes);
  std::ranges::replace(name, '_', '-');
  const auto found = flags_.find(name);
  if (found == flags_.end()) return fail(Code::kInvalid, "unknown flag: --{}", name);
  Flag& flag = found->second;
  std::string value;
  if (equals != std::string::npos) {
    value = argument.substr(equals + 1);
  } else if (flag.is_truth) {
    value = "true";
  } else if (at < arguments.size()) {
    value = arguments[at++];
  } else {
    return fail(Code::kInvalid, "flag needs an argument: --{}", name);
  }
  const Result<> set = flag.set(value);
  if (!set)
    return fail(Code::kInvalid, "invalid argument {} for \"--{}\" flag: {}", quote(value), name,
                set.error().message);
  if (!flag.effective && !flag.given) ineffective_.push_back(name);
  flag.given = true;
  return {};
}

Result<> FlagSet::parse(std::span<const std::string> arguments) {
  for (size_t at = 0; at < arguments.size();) TRY(take(arguments, at));
  return {};
}

bool FlagSet::given(std::string_view name) const {
  const auto found = flags_.find(name);
  return found != flags_.end() && found->second.given;
}

std::string FlagSet::help() const {
  std::string out;
  for (const auto& [name, flag] : flags_) {
    if (flag.usage.empty()) continue;
    out += fmt::format("      --{} {}\n            {}\n", name, flag.type, flag.usage);
  }
  return out;
}

}  // namespace cloudless::cli
