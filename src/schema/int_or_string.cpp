#include <charconv>

#include "schema/types.hpp"

namespace cloudless::schema {

Result<int32_t> scaled_value(const IntOrString& value, int32_t total, Rounding rounding) {
  if (!value.is_string) return value.number;
  const std::string_view text = value.text;
  if (!text.ends_with('%')) {
    return fail(Code::kInvalid, "invalid value for IntOrString: invalid type: string is not a percentage");
  }
  int64_t percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size() - 1, percent);
  if (error != std::errc() || end != text.data() + text.size() - 1 || percent > 1'000'000 ||
      percent < -1'000'000) {
    return fail(Code::kInvalid, "invalid value for IntOrString: invalid value \"{}\"", text);
  }
  const int64_t product = percent * total;
  const int64_t rounded = rounding == Rounding::kUp && product > 0 ? (product + 99) / 100 : product / 100;
  return static_cast<int32_t>(rounded);
}

}  // namespace cloudless::schema
