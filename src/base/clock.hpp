// Clock: where time comes from. Wall time is for people and certificates and may jump; steady time is for
// waiting and measuring and never goes back. Everything that waits takes a Clock (through its Executor), so
// tests drive it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall_now() const = 0;
  virtual SteadyTime steady_now() const = 0;
};

/// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  WallTime wall_now() const override;
  SteadyTime steady_now() const override;
};

/// RFC 3339 in UTC with whole seconds, as metav1.Time is written: "2026-11-22T17:59:23Z".
std::string format_rfc3339(WallTime time);
/// RFC 3339 in UTC with six digits, as metav1.MicroTime is written: "2026-11-22T17:59:23.000001Z".
std::string format_rfc3339_micro(WallTime time);
/// Any RFC 3339 time, with fraction and zone offset.
Result<WallTime> parse_rfc3339(std::string_view text);

/// Go's duration text: "1h30m", "1.5s", "300ms", "0s" (time.Duration.String and time.ParseDuration).
std::string format_duration(Duration duration);
Result<Duration> parse_duration(std::string_view text);

}  // namespace cloudless
