// Quantity: resource.Quantity, a fixed-point number with a suffix: "500m", "1Gi", "1e3".
//
// Kept as the text that came in; canonical form and arithmetic are computed on demand. Values are exact
// decimals: an integer times a power of ten, at nano scale or coarser (finer input rounds up, as upstream
// does).
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::schema {

/// The number of a quantity in units of 1e-9; wide enough for 2^63 whole units and beyond.
using NanoUnits = __int128;

struct Quantity {
  std::string text;

  Quantity() = default;
  Quantity(std::string value) : text(std::move(value)) {}  // NOLINT: reads like the API
  Quantity(const char* value) : text(value) {}             // NOLINT

  bool empty() const { return text.empty(); }
  /// Whole units, rounded up (Quantity.Value); 0 for text that is no quantity.
  int64_t value() const;
  /// Thousandths, rounded up (Quantity.MilliValue); 0 for text that is no quantity.
  int64_t milli_value() const;
  /// Same text; `compare` for the same amount.
  friend bool operator==(const Quantity&, const Quantity&) = default;
};

enum class QuantityFormat { kDecimalExponent, kBinarySI, kDecimalSI };

struct ParsedQuantity {
  NanoUnits nanos = 0;
  QuantityFormat format = QuantityFormat::kDecimalSI;
};

/// Upstream's grammar (resource.ParseQuantity). Fails with upstream's words: "quantities must match the
/// regular expression '...'" or "unable to parse quantity's suffix".
Result<ParsedQuantity> parse_quantity(std::string_view text);
/// The canonical text: no fractional digits, no precision lost, the largest suffix possible.
std::string format_quantity(ParsedQuantity quantity);
/// The canonical text of `text`, or its error.
Result<std::string> canonical_quantity(std::string_view text);

/// Unparsable text counts as zero in all of these.
std::strong_ordering compare(const Quantity& a, const Quantity& b);
/// The sum and difference have the format of `a`, or of `b` when `a` is zero, as upstream.
Quantity add(const Quantity& a, const Quantity& b);
Quantity subtract(const Quantity& a, const Quantity& b);
Quantity quantity_from_value(int64_t value, QuantityFormat format);
Quantity quantity_from_milli(int64_t milli, QuantityFormat format);

}  // namespace cloudless::schema
