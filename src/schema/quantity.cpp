#include "schema/quantity.hpp"

#include <charconv>
#include <limits>

namespace cloudless::schema {
namespace {

constexpr NanoUnits kNano = 1'000'000'000;
/// Upstream caps what does not fit 63 bits of whole units.
constexpr NanoUnits kMaximum = static_cast<NanoUnits>(std::numeric_limits<int64_t>::max()) * kNano;
constexpr std::string_view kDecimalSuffixes[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
constexpr std::string_view kBinarySuffixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
constexpr std::string_view kWrongFormat =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// What one whole unit of the suffix is: factor * 10^exponent.
struct Scale {
  NanoUnits factor = 1;
  int exponent = 0;
  QuantityFormat format = QuantityFormat::kDecimalSI;
};

Result<Scale> parse_suffix(std::string_view suffix) {
  for (size_t i = 0; i < std::size(kDecimalSuffixes); ++i) {
    if (suffix == kDecimalSuffixes[i])
      return Scale{1, static_cast<int>(i) * 3 - 9, QuantityFormat::kDecimalSI};
  }
  for (size_t i = 1; i < std::size(kBinarySuffixes); ++i) {
    if (suffix == kBinarySuffixes[i])
      return Scale{static_cast<NanoUnits>(1) << (10 * i), 0, QuantityFormat::kBinarySI};
  }
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E')) {
    std::string_view digits = suffix.substr(suffix[1] == '+' ? 2 : 1);
    int exponent = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (error == std::errc() && end == digits.data() + digits.size() && exponent > -100 && exponent < 100) {
      return Scale{1, exponent, QuantityFormat::kDecimalExponent};
    }
  }
  return fail(Code::kInvalid, "unable to parse quantity's suffix");
}

NanoUnits absolute(NanoUnits value) { return value < 0 ? -value : value; }

/// digits * factor * 10^exponent in nano units, capped, rounded up (digits >= 0).
NanoUnits scale_up(NanoUnits digits, NanoUnits factor, int exponent) {
  exponent += 9;
  if (digits != 0 && factor > kMaximum / digits) {
    // The product would leave the type: divide first where a fraction allows it.
    for (; exponent < 0 && digits > kNano; ++exponent) digits /= 10;
    if (factor > kMaximum / digits) return kMaximum;
  }
  NanoUnits value = digits * factor;
  for (; exponent > 0; --exponent) {
    if (value > kMaximum / 10) return kMaximum;
    value *= 10;
  }
  bool inexact = false;
  for (; exponent < 0; ++exponent) {
    inexact |= value % 10 != 0;
    value /= 10;
  }
  if (inexact) ++value;
  return value > kMaximum ? kMaximum : value;
}

std::string to_text(NanoUnits value) {
  if (value == 0) return "0";
  std::string out;
  for (NanoUnits rest = absolute(value); rest > 0; rest /= 10)
    out.insert(out.begin(), static_cast<char>('0' + rest % 10));
  return value < 0 ? "-" + out : out;
}

ParsedQuantity parsed_or_zero(const Quantity& quantity) {
  auto parsed = parse_quantity(quantity.text);
  return parsed ? *parsed : ParsedQuantity{};
}

/// Away from zero, as Quantity.Value and ScaledValue round.
int64_t divide_away(NanoUnits value, NanoUnits unit) {
  const NanoUnits quotient = value / unit;
  return static_cast<int64_t>(value % unit == 0 ? quotient : quotient + (value < 0 ? -1 : 1));
}

Quantity combine(const Quantity& a, const Quantity& b, int sign) {
  const ParsedQuantity left = parsed_or_zero(a);
  const ParsedQuantity right = parsed_or_zero(b);
  return Quantity(
      format_quantity({left.nanos + sign * right.nanos, left.nanos == 0 ? right.format : left.format}));
}

}  // namespace

Result<ParsedQuantity> parse_quantity(std::string_view text) {
  if (text.empty()) return fail(Code::kInvalid, "{}", kWrongFormat);
  size_t i = 0;
  const bool negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') ++i;
  NanoUnits digits = 0;
  int exponent = 0;
  bool inexact = false, any = false, fraction = false;
  for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !fraction)); ++i) {
    if (text[i] == '.') {
      fraction = true;
      continue;
    }
    any = true;
    // More digits than matter are dropped, but still round up.
    if (digits < kMaximum / 1000) {
      digits = digits * 10 + (text[i] - '0');
      exponent -= fraction;
    } else {
      inexact |= text[i] != '0';
      exponent += !fraction;
    }
  }
  if (!any) return fail(Code::kInvalid, "{}", kWrongFormat);
  const std::string_view suffix = text.substr(i);
  for (const char c : suffix) {
    if (!is_digit(c) && std::string_view("eEinumkKMGTP+-").find(c) == std::string_view::npos) {
      return fail(Code::kInvalid, "{}", kWrongFormat);
    }
  }
  const Scale scale = TRY(parse_suffix(suffix));
  NanoUnits nanos = scale_up(digits, scale.factor, exponent + scale.exponent) + (inexact ? 1 : 0);
  return ParsedQuantity{negative ? -nanos : nanos, scale.format};
}

std::string format_quantity(ParsedQuantity quantity) {
  NanoUnits value = quantity.nanos;
  if (value == 0) return "0";
  if (quantity.format == QuantityFormat::kBinarySI && absolute(value) >= 1024 * kNano && value % kNano == 0) {
    value /= kNano;
    size_t suffix = 0;
    for (; value % 1024 == 0 && suffix + 1 < std::size(kBinarySuffixes); ++suffix) value /= 1024;
    return to_text(value).append(kBinarySuffixes[suffix]);
  }
  size_t suffix = 0;
  for (; value % 1000 == 0 && suffix + 1 < std::size(kDecimalSuffixes); ++suffix) value /= 1000;
  if (quantity.format != QuantityFormat::kDecimalExponent)
    return to_text(value).append(kDecimalSuffixes[suffix]);
  const int exponent = static_cast<int>(suffix) * 3 - 9;
  return exponent == 0 ? to_text(value) : to_text(value) + fmt::format("e{}", exponent);
}

Result<std::string> canonical_quantity(std::string_view text) {
  return format_quantity(TRY(parse_quantity(text)));
}

int64_t Quantity::value() const { return divide_away(parsed_or_zero(*this).nanos, kNano); }

int64_t Quantity::milli_value() const {
  const NanoUnits nanos = parsed_or_zero(*this).nanos;
  const NanoUnits most = static_cast<NanoUnits>(std::numeric_limits<int64_t>::max()) * (kNano / 1000);
  if (absolute(nanos) > most)
    return nanos < 0 ? -std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::max();
  return divide_away(nanos, kNano / 1000);
}

std::strong_ordering compare(const Quantity& a, const Quantity& b) {
  const NanoUnits left = parsed_or_zero(a).nanos;
  const NanoUnits right = parsed_or_zero(b).nanos;
  return left < right   ? std::strong_ordering::less
         : left > right ? std::strong_ordering::greater
                        : std::strong_ordering::equal;
}

Quantity add(const Quantity& a, const Quantity& b) { return combine(a, b, 1); }
Quantity subtract(const Quantity& a, const Quantity& b) { return combine(a, b, -1); }

Quantity quantity_from_value(int64_t value, QuantityFormat format) {
  return Quantity(format_quantity({static_cast<NanoUnits>(value) * kNano, format}));
}
Quantity quantity_from_milli(int64_t milli, QuantityFormat format) {
  return Quantity(format_quantity({static_cast<NanoUnits>(milli) * (kNano / 1000), format}));
}

}  // namespace cloudless::schema
