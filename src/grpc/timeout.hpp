// The value of a grpc-timeout field: at most 8 digits and a unit (grpc/doc/PROTOCOL-HTTP2.md).
#pragma once

#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace cloudless::grpc {

/// Rounded up to what the digits can say.
std::string timeout_text(Duration limit);

/// What is beyond kLongestTimeout is that. Errors in Go's words.
Result<Duration> parse_timeout(std::string_view text);

/// A century: whoever waits longer has no limit, and a time of the clock can still be told.
inline constexpr Duration kLongestTimeout = std::chrono::hours(24 * 365 * 100);

}  // namespace cloudless::grpc
