// Container logs as the runtime writes them, one line each (CRI logging format):
//
//   2026-11-22T18:00:00.123456789Z stdout F the text
//   time                           stream tag   F: a full line, P: a part, to be joined with what follows
//
// Pure: bytes in, bytes out. What the query of /containerLogs asks for is LogOptions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace cloudless::kubelet {

struct LogOptions {
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<int64_t> tail_lines;
  std::optional<WallTime> since;
  std::optional<int64_t> limit_bytes;
  std::string stream;  // "Stdout", "Stderr"; empty or "All" for both
};

/// From the query's parameters; kInvalid in upstream's words.
Result<LogOptions> parse_log_options(std::string_view query, WallTime now);

struct LogLine {
  std::string_view time;
  std::string_view stream;
  bool partial = false;
  std::string_view text;
};
/// Nothing for a line that is none.
std::optional<LogLine> parse_log_line(std::string_view line);

/// Turns a log's bytes, as they come, into what a client gets to see.
class LogFormatter {
 public:
  explicit LogFormatter(const LogOptions& options) : options_(options) {}

  /// `bytes` follow those before; an incomplete last line waits for its rest.
  std::string feed(std::string_view bytes);
  /// True once limit_bytes are out.
  bool full() const { return options_.limit_bytes && written_ >= *options_.limit_bytes; }

 private:
  void take(std::string_view line, std::string& out);

  const LogOptions options_;
  std::string rest_;
  bool in_part_ = false;
  int64_t written_ = 0;
};

/// Where the last `lines` lines of `log` begin: a byte offset.
size_t tail_offset(std::string_view log, int64_t lines);

}  // namespace cloudless::kubelet
