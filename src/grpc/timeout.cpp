#include "grpc/timeout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace cloudless::grpc {
namespace {

using namespace std::chrono_literals;

constexpr size_t kDigits = 8;
constexpr int64_t kMost = 99'999'999;

struct Unit {
  Duration length;
  char name;
};
constexpr std::array<Unit, 6> kUnits = {
    {{1ns, 'n'}, {1us, 'u'}, {1ms, 'm'}, {1s, 'S'}, {1min, 'M'}, {1h, 'H'}}};

}  // namespace

std::string timeout_text(Duration limit) {
  for (const Unit& unit : kUnits) {
    const int64_t count = limit / unit.length + (limit % unit.length > Duration::zero() ? 1 : 0);
    if (count <= kMost) return fmt::format("{}{}", count, unit.name);
  }
  return fmt::format("{}H", kMost);
}

Result<Duration> parse_timeout(std::string_view text) {
  if (text.size() < 2) return fail(Code::kInvalid, "transport: timeout string is too short: \"{}\"", text);
  if (text.size() > kDigits + 1) {
    return fail(Code::kInvalid, "transport: timeout string is too long: \"{}\"", text);
  }
  const auto unit = std::ranges::find(kUnits, text.back(), &Unit::name);
  if (unit == kUnits.end()) {
    return fail(Code::kInvalid, "transport: timeout unit is not recognized: \"{}\"", text);
  }
  const std::string_view digits = text.substr(0, text.size() - 1);
  uint32_t count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return fail(Code::kInvalid, "strconv.ParseUint: parsing \"{}\": invalid syntax", digits);
  }
  return count > kLongestTimeout / unit->length ? kLongestTimeout : count * unit->length;
}

}  // namespace cloudless::grpc
