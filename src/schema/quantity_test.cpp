#include "schema/quantity.hpp"

#include <gtest/gtest.h>

#include "schema/types.hpp"

namespace cloudless::schema {
namespace {

TEST(Quantity, CanonicalFormIsUpstreams) {
  const std::pair<const char*, const char*> cases[] = {
      {"0", "0"},           {"0.5", "500m"},      {"1000m", "1"},   {"1024Mi", "1Gi"},
      {"1.5Gi", "1536Mi"},  {"1000Ki", "1000Ki"}, {"1e3", "1e3"},   {"1E3", "1e3"},
      {"12e6", "12e6"},     {"100", "100"},       {"1000", "1k"},   {"0.1Ki", "102400m"},
      {"-1500m", "-1500m"}, {"+5", "5"},          {"1Ei", "1Ei"},   {"0.0000000001", "1n"},
      {"512", "512"},       {"1Ki", "1Ki"},       {"1023", "1023"}, {".5", "500m"},
      {"5.", "5"},          {"2E", "2E"},         {"1e-3", "1e-3"}, {"123456789012", "123456789012"},
  };
  for (const auto& [in, out] : cases) {
    auto canonical = canonical_quantity(in);
    ASSERT_TRUE(canonical) << in << ": " << canonical.error().message;
    EXPECT_EQ(*canonical, out) << in;
    EXPECT_EQ(*canonical_quantity(*canonical), out) << in;
  }
}

TEST(Quantity, MalformedTextIsRefusedWithUpstreamsWords) {
  for (const char* text : {"", "abc", "1.2.3", "--1", "1 Gi", "Gi", ".", "1,5"}) {
    auto parsed = parse_quantity(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find("quantities must match"), std::string::npos) << text;
  }
  EXPECT_EQ(parse_quantity("1KM").error().message, "unable to parse quantity's suffix");
  EXPECT_EQ(parse_quantity("1ki").error().message, "unable to parse quantity's suffix");
}

TEST(Quantity, HugeValuesAreCappedAtSixtyThreeBits) {
  EXPECT_EQ(Quantity("99999999999999999999999E").value(), INT64_MAX);
  EXPECT_EQ(Quantity("8Ei").value(), INT64_MAX);
}

TEST(Quantity, ArithmeticKeepsTheFormatOfTheFirst) {
  EXPECT_EQ(add("1Gi", "512Mi").text, "1536Mi");
  EXPECT_EQ(add("100m", "1").text, "1100m");
  EXPECT_EQ(add("0", "1Gi").text, "1Gi");
  EXPECT_EQ(subtract("1", "250m").text, "750m");
  EXPECT_EQ(compare("1000m", "1"), std::strong_ordering::equal);
  EXPECT_EQ(compare("1Gi", "1G"), std::strong_ordering::greater);
  EXPECT_EQ(Quantity("1500m").value(), 2);
  EXPECT_EQ(Quantity("-1500m").value(), -2);
  EXPECT_EQ(Quantity("1").milli_value(), 1000);
  EXPECT_EQ(quantity_from_value(4096, QuantityFormat::kBinarySI).text, "4Ki");
  EXPECT_EQ(quantity_from_milli(1500, QuantityFormat::kDecimalSI).text, "1500m");
}

TEST(IntOrString, PercentagesScaleWithTheAskedRounding) {
  EXPECT_EQ(*scaled_value("25%", 10, Rounding::kUp), 3);
  EXPECT_EQ(*scaled_value("25%", 10, Rounding::kDown), 2);
  EXPECT_EQ(*scaled_value(7, 10, Rounding::kDown), 7);
  EXPECT_FALSE(scaled_value("7", 10, Rounding::kDown));
  EXPECT_FALSE(scaled_value("x%", 10, Rounding::kDown));
}

}  // namespace
}  // namespace cloudless::schema
