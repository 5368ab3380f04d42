#include "kubelet/server/log_file.hpp"

#include <gtest/gtest.h>

namespace cloudless::kubelet {
namespace {

constexpr std::string_view kLog =
    "2026-11-22T18:00:00.000000001Z stdout F one\n"
    "2026-11-22T18:00:01.5Z stderr F two\n"
    "2026-11-22T18:00:02Z stdout P thr\n"
    "2026-11-22T18:00:02Z stdout F ee\n";

std::string format(LogOptions options) { return LogFormatter(options).feed(kLog); }

TEST(LogFile, PartsAreJoinedAndTimesLeftOut) { EXPECT_EQ(format({}), "one\ntwo\nthree\n"); }

TEST(LogFile, OptionsChooseWhatIsShown) {
  EXPECT_EQ(format({.timestamps = true}),
            "2026-11-22T18:00:00.000000001Z one\n2026-11-22T18:00:01.5Z two\n2026-11-22T18:00:02Z three\n");
  EXPECT_EQ(format({.since = parse_rfc3339("2026-11-22T18:00:01Z").value()}), "two\nthree\n");
  EXPECT_EQ(format({.limit_bytes = 6}), "one\ntw");
  EXPECT_EQ(format({.stream = "Stderr"}), "two\n");
}

TEST(LogFile, BytesMayComeInAnyPieces) {
  for (size_t size = 1; size < 9; ++size) {
    LogFormatter formatter({});
    std::string out;
    for (size_t at = 0; at < kLog.size(); at += size) out += formatter.feed(kLog.substr(at, size));
    EXPECT_EQ(out, "one\ntwo\nthree\n");
  }
}

TEST(LogFile, TheTailBeginsAtALine) {
  const std::string_view text = "a\nb\nc\n";
  EXPECT_EQ(tail_offset(text, 0), 6u);
  EXPECT_EQ(tail_offset(text, 1), 4u);
  EXPECT_EQ(tail_offset(text, 2), 2u);
  EXPECT_EQ(tail_offset(text, 3), 0u);
  EXPECT_EQ(tail_offset(text, 99), 0u);
  EXPECT_EQ(tail_offset("", 5), 0u);
  EXPECT_EQ(tail_offset("\n\n", 1), 1u);
}

TEST(LogFile, LinesThatAreNoneAreSkipped) {
  for (const char* line : {"", "x", "x y", "time other F text"}) EXPECT_FALSE(parse_log_line(line)) << line;
  EXPECT_EQ(parse_log_line("t stdout F")->text, "");
  EXPECT_EQ(parse_log_line("t stdout P:x text")->partial, true);
}

TEST(LogFile, BadOptionsAreNamed) {
  EXPECT_EQ(parse_log_options("tailLines=-1", WallTime()).error().message,
            "tailLines must be greater than or equal to 0");
  EXPECT_FALSE(parse_log_options("limitBytes=x", WallTime()).has_value());
  EXPECT_TRUE(parse_log_options("follow=true&tailLines=5", WallTime())->follow);
}

}  // namespace
}  // namespace cloudless::kubelet
