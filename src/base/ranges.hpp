// Range algorithms that libstdc++ 12 lacks.
#pragma once

#include <algorithm>
#include <functional>

namespace cloudless {

/// Whether an element (or its projection) equals `value`; std::ranges::contains of C++23.
template <class Range, class Value, class Projection = std::identity>
bool contains(const Range& range, const Value& value, Projection projection = {}) {
  return std::ranges::find(range, value, projection) != std::ranges::end(range);
}

}  // namespace cloudless
