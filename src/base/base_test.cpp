#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "base/encoding.hpp"
#include "base/fifo.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/strings.hpp"

namespace cloudless {
namespace {

using namespace std::chrono_literals;

Result<int> half(int value) {
  if (value % 2 != 0) return fail(Code::kInvalid, "{} is odd", value);
  return value / 2;
}

Result<int> quarter(int value) {
  const int first = TRY(half(value));
  return TRY(half(first));
}

TEST(Result, TryUnwrapsAValueAndReturnsAnError) {
  EXPECT_EQ(quarter(8), 2);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error(), (Error{Code::kInvalid, "3 is odd"}));
}

TEST(Result, WrapPutsWhatWasDoneInFront) {
  EXPECT_EQ(wrap(Error{Code::kNotFound, "gone"}, "read {}", "x").error(),
            (Error{Code::kNotFound, "read x: gone"}));
}

TEST(Fifo, GivesBackInOrderWhateverIsPutAndTakenBetween) {
  Fifo<int> fifo;
  SeededRandom random(1);
  int put = 0;
  int taken = 0;
  for (int step = 0; step < 10'000; ++step) {
    // Now growing, now shrinking down to nothing.
    if (random.below(10) < (step / 1000 % 2 == 0 ? 7u : 3u)) {
      fifo.push_back(put++);
    } else if (!fifo.empty()) {
      ASSERT_EQ(fifo.front(), taken++);
      fifo.pop_front();
    }
    ASSERT_EQ(fifo.size(), static_cast<size_t>(put - taken));
    ASSERT_EQ(fifo.end() - fifo.begin(), put - taken);
  }
  for (const int value : fifo) ASSERT_EQ(value, taken++);
  EXPECT_EQ(taken, put);
}

TEST(Clock, Rfc3339RoundTripsAndReadsOffsets) {
  const WallTime time = parse_rfc3339("2026-11-22T17:59:23.25+02:00").value();
  EXPECT_EQ(format_rfc3339(time), "2026-11-22T15:59:23Z");
  EXPECT_EQ(format_rfc3339_micro(time), "2026-11-22T15:59:23.250000Z");
  for (const char* bad :
       {"", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T25:00:00Z"}) {
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
  }
}

TEST(Clock, DurationsReadAndPrintAsGoDoes) {
  for (const auto& [text, value] : std::initializer_list<std::pair<const char*, Duration>>{{"1h30m0s", 90min},
                                                                                           {"1.5s", 1500ms},
                                                                                           {"300ms", 300ms},
                                                                                           {"0s", 0s},
                                                                                           {"-2m0s", -2min},
                                                                                           {"15ns", 15ns}}) {
    EXPECT_EQ(format_duration(value), text);
    EXPECT_EQ(parse_duration(text).value(), value) << text;
  }
  for (const char* bad : {"", "5", "1x", "s", "1h-5m"}) EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Encoding, Base64MatchesRfc4648) {
  for (const auto& [plain, text] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64_encode(plain), text);
    EXPECT_EQ(base64_decode(text).value(), plain);
  }
  EXPECT_FALSE(base64_decode("Zg="));
  EXPECT_FALSE(base64_decode("Z!=="));
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  EXPECT_EQ(base64url_decode("-_8").value(), "\xfb\xff");
}

TEST(Encoding, DigestsMatchKnownVectors) {
  EXPECT_EQ(hex_encode(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(fnv1a_32("foobar"), 0xbf9cf968u);
}

TEST(Random, UuidsAreVersionFour) {
  SeededRandom random(1);
  const std::string uuid = random.uuid();
  ASSERT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string_view("89ab").find(uuid[19]), std::string_view::npos);
}

TEST(Strings, QuoteEscapesAsGoDoes) { EXPECT_EQ(quote("a\"b\n\x01"), "\"a\\\"b\\n\\x01\""); }

TEST(Metrics, ExposesEveryKindInPrometheusText) {
  metrics::Registry registry;
  registry.counter("requests_total", "Requests.", {"code"}).with({"200"}).add(3);
  registry.gauge("temperature", "Now.").with().set(1.5);
  registry.histogram("seconds", "Took.", {0.1, 1}).with().observe(0.5);
  EXPECT_EQ(registry.expose(),
            "# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{code=\"200\"} 3\n"
            "# HELP seconds Took.\n# TYPE seconds histogram\nseconds_bucket{le=\"0.1\"} 0\n"
            "seconds_bucket{le=\"1\"} 1\nseconds_bucket{le=\"+Inf\"} 1\nseconds_sum 0.5\nseconds_count 1\n"
            "# HELP temperature Now.\n# TYPE temperature gauge\ntemperature 1.5\n");
}

}  // namespace
}  // namespace cloudless
