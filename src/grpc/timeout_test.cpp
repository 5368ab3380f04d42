#include "grpc/timeout.hpp"

#include <gtest/gtest.h>

namespace cloudless::grpc {
namespace {

using namespace std::chrono_literals;

TEST(TimeoutText, HasEightDigitsAtTheMostAndIsNeverShorterThanTheLimit) {
  EXPECT_EQ(timeout_text(1ns), "1n");
  EXPECT_EQ(timeout_text(99'999'999ns), "99999999n");
  EXPECT_EQ(timeout_text(100'000'001ns), "100001u");
  EXPECT_EQ(timeout_text(15s), "15000000u");
  EXPECT_EQ(timeout_text(2min), "120000m");
  EXPECT_EQ(timeout_text(30h), "108000S");
  EXPECT_EQ(timeout_text(24h * 365 * 200), "1752000H");
}

TEST(ParseTimeout, EveryUnitIsReadAndTheLongestIsACentury) {
  EXPECT_EQ(parse_timeout("0n").value(), 0ns);
  EXPECT_EQ(parse_timeout("7n").value(), 7ns);
  EXPECT_EQ(parse_timeout("7u").value(), 7us);
  EXPECT_EQ(parse_timeout("100m").value(), 100ms);
  EXPECT_EQ(parse_timeout("12345678S").value(), 12'345'678s);
  EXPECT_EQ(parse_timeout("5M").value(), 5min);
  EXPECT_EQ(parse_timeout("00000005H").value(), 5h);
  EXPECT_EQ(parse_timeout("99999999M").value(), kLongestTimeout);
  EXPECT_EQ(parse_timeout("99999999H").value(), kLongestTimeout);
}

TEST(ParseTimeout, WhatIsNoTimeIsRefusedInGosWords) {
  const auto words = [](std::string_view text) { return parse_timeout(text).error().message; };
  EXPECT_EQ(words(""), "transport: timeout string is too short: \"\"");
  EXPECT_EQ(words("S"), "transport: timeout string is too short: \"S\"");
  EXPECT_EQ(words("123456789S"), "transport: timeout string is too long: \"123456789S\"");
  EXPECT_EQ(words("5x"), "transport: timeout unit is not recognized: \"5x\"");
  EXPECT_EQ(words("15"), "transport: timeout unit is not recognized: \"15\"");
  for (const char* text : {"-5S", "+5S", " 5S", "5 S", "0x5S", "1.5S"}) {
    EXPECT_FALSE(parse_timeout(text)) << text;
  }
}

}  // namespace
}  // namespace cloudless::grpc
