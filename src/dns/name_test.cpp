#include "dns/name.hpp"

#include <gtest/gtest.h>

namespace cloudless::dns {
namespace {

Name name(std::string_view text) { return Name::parse(text).value(); }

TEST(Name, ReadsAndPrintsPresentationForm) {
  EXPECT_EQ(name("www.Example.org.").to_text(), "www.Example.org.");
  EXPECT_EQ(name("www.example.org").to_text(), "www.example.org.");
  EXPECT_EQ(name(".").to_text(), ".");
  EXPECT_EQ(name("a\\.b.c").to_text(), "a\\.b.c.");
  EXPECT_EQ(name("a\\.b.c").label_count(), 2u);
  EXPECT_EQ(name("\\007x").to_text(), "\\007x.");
  EXPECT_EQ(Name::parse("@", name("example.org"))->to_text(), "example.org.");
  EXPECT_EQ(Name::parse("www", name("example.org"))->to_text(), "www.example.org.");
}

TEST(Name, RefusesWhatBreaksALimit) {
  EXPECT_FALSE(Name::parse(""));
  EXPECT_FALSE(Name::parse("a..b"));
  EXPECT_FALSE(Name::parse(".a"));
  EXPECT_FALSE(Name::parse("a\\"));
  EXPECT_FALSE(Name::parse("\\999"));
  EXPECT_FALSE(Name::parse(std::string(64, 'a')));
  EXPECT_TRUE(Name::parse(std::string(63, 'a')));
  std::string labels;
  for (int i = 0; i < 126; ++i) labels += "ab.";
  EXPECT_FALSE(Name::parse(labels));
}

TEST(Name, KnowsItsAncestors) {
  EXPECT_TRUE(name("a.b.example.org").is_within(name("EXAMPLE.org")));
  EXPECT_TRUE(name("example.org").is_within(name("example.org")));
  EXPECT_TRUE(name("example.org").is_within(Name()));
  EXPECT_FALSE(name("badexample.org").is_within(name("example.org")));
  EXPECT_EQ(name("a.b.c").parent(), name("b.c"));
}

}  // namespace
}  // namespace cloudless::dns
