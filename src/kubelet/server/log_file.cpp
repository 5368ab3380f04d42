#include "kubelet/server/log_file.hpp"

#include <charconv>

#include "base/strings.hpp"
#include "net/http.hpp"

namespace cloudless::kubelet {

namespace {

Result<int64_t> parse_number(const std::string& name, const std::string& text, int64_t least) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    return fail(Code::kInvalid, "invalid value for {}: {}", name, quote(text));
  if (number < least) return fail(Code::kInvalid, "{} must be greater than or equal to {}", name, least);
  return number;
}

bool is_true(const std::string& text) { return text == "true" || text == "1"; }

}  // namespace

Result<LogOptions> parse_log_options(std::string_view query, WallTime now) {
  LogOptions options;
  for (const auto& [name, value] : TRY(net::parse_query(query))) {
    if (value.empty()) continue;
    if (name == "follow") options.follow = is_true(value);
    if (name == "previous") options.previous = is_true(value);
    if (name == "timestamps") options.timestamps = is_true(value);
    if (name == "stream") options.stream = value == "All" ? "" : value;
    if (name == "tailLines") options.tail_lines = TRY(parse_number(name, value, 0));
    if (name == "limitBytes") options.limit_bytes = TRY(parse_number(name, value, 1));
    if (name == "sinceSeconds") options.since = now - std::chrono::seconds(TRY(parse_number(name, value, 1)));
    if (name == "sinceTime") options.since = TRY(parse_rfc3339(value));
  }
  return options;
}

std::optional<LogLine> parse_log_line(std::string_view line) {
  const size_t first = line.find(' ');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const size_t third = line.find(' ', second + 1);
  const std::string_view tags =
      line.substr(second + 1, third == std::string_view::npos ? third : third - second - 1);
  LogLine out{.time = line.substr(0, first), .stream = line.substr(first + 1, second - first - 1)};
  if (out.stream != "stdout" && out.stream != "stderr") return std::nullopt;
  out.partial = split(tags, ':').front() == "P";
  if (third != std::string_view::npos) out.text = line.substr(third + 1);
  return out;
}

std::string LogFormatter::feed(std::string_view bytes) {
  std::string out;
  rest_ += bytes;
  size_t begin = 0;
  for (size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1)
    take(std::string_view(rest_).substr(begin, end - begin), out);
  rest_.erase(0, begin);
  if (options_.limit_bytes && written_ + static_cast<int64_t>(out.size()) > *options_.limit_bytes)
    out.resize(static_cast<size_t>(*options_.limit_bytes - written_));
  written_ += static_cast<int64_t>(out.size());
  return out;
}

void LogFormatter::take(std::string_view line, std::string& out) {
  const auto parsed = parse_log_line(line);
  if (!parsed) return;
  if (!options_.stream.empty() && !equal_ignoring_case(options_.stream, parsed->stream)) return;
  if (options_.since) {
    const auto time = parse_rfc3339(parsed->time);
    if (!time || *time < *options_.since) return;
  }
  if (options_.timestamps && !in_part_) {
    out += parsed->time;
    out += ' ';
  }
  out += parsed->text;
  in_part_ = parsed->partial;
  if (!in_part_) out += '\n';
}

size_t tail_offset(std::string_view log, int64_t lines) {
  size_t at = log.size();
  if (lines == 0) return at;
  // The end of the last line is not the beginning of another one.
  if (at > 0 && log[at - 1] == '\n') --at;
  for (int64_t found = 0; at > 0;) {
    const size_t newline = log.rfind('\n', at - 1);
    if (newline == std::string_view::npos) return 0;
    if (++found == lines) return newline + 1;
    at = newline;
    if (at == 0) return 0;
  }
  return 0;
}

}  // namespace cloudless::kubelet
