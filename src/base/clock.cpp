#include "base/clock.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace cloudless {

using namespace std::chrono;

WallTime SystemClock::wall_now() const { return time_point_cast<nanoseconds>(system_clock::now()); }
SteadyTime SystemClock::steady_now() const { return time_point_cast<nanoseconds>(steady_clock::now()); }

namespace {

std::string format_seconds(WallTime time) {
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

// Reads a fixed number of digits at the front of `text` and drops them.
bool take_digits(std::string_view& text, size_t count, int& value) {
  if (text.size() < count) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, value);
  if (error != std::errc() || end != text.data() + count || text[0] == '-') return false;
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text[0] != expected) return false;
  text.remove_prefix(1);
  return true;
}

nanoseconds take_fraction(std::string_view& text) {
  nanoseconds fraction{0};
  nanoseconds unit{100'000'000};
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    fraction += unit * (text[0] - '0');
    unit /= 10;
    text.remove_prefix(1);
  }
  return fraction;
}

constexpr std::array<std::pair<std::string_view, int64_t>, 8> kDurationUnits{{
    {"ns", 1},
    {"us", 1'000},
    {"\u00b5s", 1'000},
    {"\u03bcs", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

std::string trim_fraction(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::string format_rfc3339(WallTime time) { return format_seconds(time) + "Z"; }

std::string format_rfc3339_micro(WallTime time) {
  const auto micros = floor<microseconds>(time) - floor<seconds>(time);
  return fmt::format("{}.{:06}Z", format_seconds(time), micros.count());
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  const auto bad = [whole = text] { return fail(Code::kInvalid, "\"{}\" is not an RFC 3339 time", whole); };
  int year_number, month_number, day_number, hour, minute, second;
  if (!take_digits(text, 4, year_number) || !take(text, '-') || !take_digits(text, 2, month_number) ||
      !take(text, '-') || !take_digits(text, 2, day_number) || !(take(text, 'T') || take(text, 't')) ||
      !take_digits(text, 2, hour) || !take(text, ':') || !take_digits(text, 2, minute) || !take(text, ':') ||
      !take_digits(text, 2, second)) {
    return bad();
  }
  const year_month_day date{year(year_number), month(month_number), day(day_number)};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return bad();
  nanoseconds fraction{0};
  if (take(text, '.')) fraction = take_fraction(text);
  minutes offset{0};
  if (!take(text, 'Z') && !take(text, 'z')) {
    const bool west = !text.empty() && text[0] == '-';
    if (!take(text, '+') && !take(text, '-')) return bad();
    int offset_hours, offset_minutes;
    if (!take_digits(text, 2, offset_hours) || !take(text, ':') || !take_digits(text, 2, offset_minutes)) {
      return bad();
    }
    offset = minutes((west ? -1 : 1) * (offset_hours * 60 + offset_minutes));
  }
  if (!text.empty()) return bad();
  return WallTime(sys_days(date) + hours(hour) + minutes(minute) + seconds(second) - offset + fraction);
}

std::string format_duration(Duration duration) {
  if (duration.count() == 0) return "0s";
  if (duration < 0s) return "-" + format_duration(-duration);
  if (duration < 1us) return fmt::format("{}ns", duration.count());
  if (duration < 1ms) return trim_fraction(fmt::format("{:.3f}", duration.count() / 1e3)) + "\u00b5s";
  if (duration < 1s) return trim_fraction(fmt::format("{:.6f}", duration.count() / 1e6)) + "ms";
  const auto whole_minutes = floor<minutes>(duration);
  std::string text = trim_fraction(fmt::format("{:.9f}", (duration - whole_minutes).count() / 1e9)) + "s";
  if (whole_minutes.count() == 0) return text;
  text = fmt::format("{}m{}", whole_minutes.count() % 60, text);
  return whole_minutes < 1h ? text : fmt::format("{}h{}", whole_minutes.count() / 60, text);
}

Result<Duration> parse_duration(std::string_view text) {
  const auto bad = [whole = text] { return fail(Code::kInvalid, "time: invalid duration \"{}\"", whole); };
  const bool negative = !text.empty() && text[0] == '-';
  if (negative || (!text.empty() && text[0] == '+')) text.remove_prefix(1);
  if (text == "0") return Duration(0);
  if (text.empty()) return bad();
  double total = 0;
  while (!text.empty()) {
    double value;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc() || value < 0 || text[0] == '-') return bad();
    text.remove_prefix(end - text.data());
    const size_t unit_length = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view unit = text.substr(0, unit_length);
    int64_t scale = 0;
    for (const auto& [name, nanos] : kDurationUnits) {
      if (name == unit) scale = nanos;
    }
    if (scale == 0) return bad();
    total += value * static_cast<double>(scale);
    text.remove_prefix(unit_length);
  }
  if (!(total < 9.2e18)) return bad();
  return Duration(static_cast<int64_t>(std::llround(negative ? -total : total)));
}

}  // namespace cloudless
