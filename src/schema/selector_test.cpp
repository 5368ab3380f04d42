#include "schema/selector.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace cloudless::schema {
namespace {

bool label_match(std::string_view selector, const Labels& labels) {
  auto parsed = LabelSelector::parse(selector);
  EXPECT_TRUE(parsed) << selector << ": " << parsed.error().message;
  return parsed && parsed->matches(labels);
}

TEST(LabelSelector, EveryOperatorMatchesAsUpstream) {
  const Labels labels{{"app", "web"}, {"tier", "front"}, {"size", "5"}, {"in", "x"}};
  for (const char* yes : {"", "app=web", "app==web", "app in (web,db)", "app!=db", "missing!=x",
                          "missing notin (a)", "tier,app=web", "!missing", "size>4", "size<6",
                          " app = web , tier = front ", "in=x", "in in (in,x)", "app notin (a , b)"}) {
    EXPECT_TRUE(label_match(yes, labels)) << yes;
  }
  for (const char* no : {"app=db", "app=", "!app", "missing", "app notin (web)", "size>5", "size<5", "app>1",
                         "missing in (a)", "app in ()"}) {
    EXPECT_FALSE(label_match(no, labels)) << no;
  }
}

TEST(LabelSelector, ErrorsAreUpstreams) {
  const std::pair<const char*, const char*> cases[] = {
      {"a,,b", "found ',', expected: identifier after ','"},
      {"a,", "found '', expected: identifier after ','"},
      {"=a", "found '=', expected: !, identifier, or 'end of string'"},
      {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
      {"a in b", "unable to parse requirement: found 'b' expected: '('"},
      {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
      {"a=b c", "found 'c', expected: ',' or 'end of string'"},
      {"!", "unable to parse requirement: found '', expected: identifier"},
  };
  for (const auto& [text, message] : cases) {
    auto parsed = LabelSelector::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().message, message) << text;
  }
  EXPECT_FALSE(LabelSelector::parse("a>x"));
  EXPECT_FALSE(LabelSelector::parse("-a=b"));
  EXPECT_FALSE(LabelSelector::parse("a=b/c"));
}

TEST(LabelSelector, ObjectsMeanWhatUpstreamMakesOfThem) {
  EXPECT_FALSE(LabelSelector::from_value(nullptr)->matches(Labels{{"a", "b"}}));
  EXPECT_TRUE(LabelSelector::from_value(boost::json::object())->matches(Labels{{"a", "b"}}));
  const auto value = boost::json::parse(
      R"({"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"NotIn","values":["b","a"]},{"key":"x","operator":"Exists"}]})");
  const auto selector = LabelSelector::from_value(value);
  ASSERT_TRUE(selector);
  EXPECT_TRUE(selector->matches(Labels{{"app", "web"}, {"x", ""}}));
  EXPECT_FALSE(selector->matches(Labels{{"app", "web"}}));
  EXPECT_EQ(selector->to_string(), "app=web,tier notin (a,b),x");
  EXPECT_FALSE(
      LabelSelector::from_value(boost::json::parse(R"({"matchExpressions":[{"key":"a","operator":"Gt"}]})")));
}

TEST(FieldSelector, TermsParseMatchAndPrint) {
  auto selector = FieldSelector::parse(R"(metadata.name=a\,b,status.phase!=Running,spec.nodeName==n1)");
  ASSERT_TRUE(selector) << selector.error().message;
  ASSERT_EQ(selector->terms().size(), 3u);
  EXPECT_EQ(selector->terms()[0].value, "a,b");
  EXPECT_EQ(selector->required_value("spec.nodeName"), "n1");
  EXPECT_EQ(selector->to_string(), R"(metadata.name=a\,b,status.phase!=Running,spec.nodeName=n1)");
  EXPECT_TRUE(selector->matches([](std::string_view field) -> std::string {
    return field == "metadata.name" ? "a,b" : field == "spec.nodeName" ? "n1" : "Pending";
  }));
  EXPECT_EQ(FieldSelector::parse("abc").error().message, "invalid selector: 'abc'; can't understand 'abc'");
  EXPECT_TRUE(FieldSelector::parse("")->empty());
}

}  // namespace
}  // namespace cloudless::schema
