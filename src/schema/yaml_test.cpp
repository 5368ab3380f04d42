#include "schema/yaml.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace cloudless::schema {
namespace {

std::string as_json(std::string_view yaml) {
  auto value = parse_yaml(yaml);
  return value ? serialize_json(*value) : "error: " + value.error().message;
}

TEST(Yaml, ScalarsResolveAsInGosYaml11) {
  EXPECT_EQ(
      as_json("a: yes\nb: 0644\nc: 0x10\nd: '1'\ne: 1.5\nf: ~\ng: on\nh: 1e3\ni: 2026-01-01\nj: 1_000\nk: "
              "-5\nl: .5\nm: !!str 5\nz: 08\n"),
      R"({"a":true,"b":420,"c":16,"d":"1","e":1.5,"f":null,"g":true,"h":1000,"i":"2026-01-01","j":1000,"k":-5,"l":0.5,"m":"5","z":8})");
}

TEST(Yaml, BlocksFlowsAnchorsAndMergesRead) {
  EXPECT_EQ(
      as_json("base: &b {x: 1, z: 2}\nuse:\n  <<: *b\n  z: 3\nlist:\n- a\n- - b\ntext: |\n  l1\n  l2\nfold: "
              ">-\n  p\n  q\n"),
      R"({"base":{"x":1,"z":2},"use":{"z":3,"x":1},"list":["a",["b"]],"text":"l1\nl2\n","fold":"p q"})");
  EXPECT_EQ(as_json("1: a\ntrue: b\n"), R"({"1":"a","true":"b"})");
  EXPECT_EQ(as_json(R"({"a": [1, "x"]})"), R"({"a":[1,"x"]})");
}

TEST(Yaml, StreamsGiveTheirDocumentsWithoutEmptyOnes) {
  auto documents = parse_yaml_documents("---\n# nothing\n---\na: 1\n---\nb: 2\n...\n");
  ASSERT_TRUE(documents) << documents.error().message;
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ(serialize_json((*documents)[1]), R"({"b":2})");
}

TEST(Yaml, BrokenTextNamesItsLine) {
  auto value = parse_yaml("a: 1\nb: [1,\nc: 2\n");
  ASSERT_FALSE(value);
  EXPECT_TRUE(value.error().message.starts_with("error converting YAML to JSON: yaml: line "))
      << value.error().message;
  EXPECT_FALSE(parse_yaml("a: *nowhere\n"));
}

TEST(Yaml, AliasesCannotExplode) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 10; ++k) bomb += fmt::format("{}*a{}", k ? "," : "", i - 1);
    bomb += "]\n";
  }
  auto value = parse_yaml(bomb);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, Code::kResourceExhausted);
}

TEST(Yaml, BytesThatAreNoTextAreRefused) {
  const auto reason = [](std::string_view text) {
    const auto value = parse_yaml(text);
    return value ? std::string("accepted") : value.error().message;
  };
  const std::string prefix = "error converting YAML to JSON: yaml: ";
  EXPECT_EQ(reason("a: \x80"), prefix + "invalid leading UTF-8 octet");
  EXPECT_EQ(reason("a: \xc3("), prefix + "invalid trailing UTF-8 octet");
  EXPECT_EQ(reason("a: \xe2\x82"), prefix + "incomplete UTF-8 octet sequence");
  EXPECT_EQ(reason("a: \xc0\x80"), prefix + "invalid length of a UTF-8 sequence");
  EXPECT_EQ(reason("a: \xed\xa0\x80"), prefix + "invalid Unicode character");
  EXPECT_EQ(reason("a: \x7f"), prefix + "control characters are not allowed");
  EXPECT_EQ(reason("%Y\x7fM\x80 1.2\n---\n- a\n"), prefix + "control characters are not allowed");
  EXPECT_EQ(reason("\xef\xbb\xbf"
                   "a: \xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\t\n"),
            "accepted");
}

TEST(Yaml, DuplicateKeysAreNoted) {
  std::vector<std::string> duplicates;
  ASSERT_TRUE(parse_yaml("a:\n  b: 1\n  b: 2\n", {.duplicates = &duplicates}));
  EXPECT_EQ(duplicates, std::vector<std::string>{"a.b"});
}

TEST(Yaml, WhatIsWrittenReadsBackTheSame) {
  const auto value = boost::json::parse(
      R"({"a":"yes","b":"1","c":[1,{"d":[]},["x","y"],{}],"e":"two\nlines\n","f":" lead","g":"colon: x","h":{"i":null,"j":{"k":"# no"}},)"
      R"("l":"tail\n\n","m":"","n":true,"o":1.5,"p":"ünï","q":"-","r":"a\nb","s":"\nx","1":"~"})");
  const std::string yaml = serialize_yaml(value);
  auto back = parse_yaml(yaml);
  ASSERT_TRUE(back) << back.error().message << "\n" << yaml;
  EXPECT_EQ(serialize_json(*back), serialize_json(value)) << yaml;
}

}  // namespace
}  // namespace cloudless::schema
