#include "dns/merged_zones.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.hpp"
#include "dns/zone_text.hpp"

namespace cloudless::dns {
namespace {

std::shared_ptr<const Zone> zone(std::string_view apex, std::string_view text) {
  return parse_zone(text, Name::parse(apex).value()).value();
}

const std::vector<std::shared_ptr<const Zone>>& fixed() {
  static const std::vector<std::shared_ptr<const Zone>> zones{
      zone("example.org", "$TTL 60\n@ SOA ns host 5 2 3 4 5\nfixed A 192.0.2.1\n"),
      zone("sub.example.org", "$TTL 60\n@ SOA ns host 5 2 3 4 5\n"),
  };
  return zones;
}

Origin origin(std::string name) { return {.kind = "Service", .ns = "demo", .name = std::move(name)}; }

std::vector<Record> records(std::string_view owner, Type type, std::string_view data) {
  return {{Name::parse(owner).value(), type, 300, parse_rdata(type, data, Name()).value()}};
}

std::string texts(MergedZones& merged) {
  std::string all;
  for (const auto& zone : merged.update().value()) all += zone_to_text(*zone);
  return all;
}

std::vector<std::string> problems(const MergedZones& merged) {
  std::vector<std::string> all;
  for (const Problem& problem : merged.problems())
    all.push_back(fmt::format("{} {}: {}", problem.origin.name, problem.reason, problem.message));
  std::ranges::sort(all);
  return all;
}

TEST(MergedZones, RecordsJoinTheInnermostZoneAndRaiseItsSerial) {
  MergedZones merged(fixed());
  merged.set(origin("web"), records("www.sub.example.org", Type::kA, "192.0.2.10"), 1000);
  EXPECT_EQ(texts(merged),
            "sub.example.org. 60 IN SOA ns.sub.example.org. host.sub.example.org. 1000 2 3 4 5\n"
            "www.sub.example.org. 300 IN A 192.0.2.10\n"
            "example.org. 60 IN SOA ns.example.org. host.example.org. 5 2 3 4 5\n"
            "fixed.example.org. 60 IN A 192.0.2.1\n");
  merged.set(origin("web"), {}, 1001);
  MergedZones untouched(fixed());
  EXPECT_EQ(texts(merged), texts(untouched));
}

TEST(MergedZones, WhatCannotBeServedIsSaidAndServedOnceItCan) {
  MergedZones merged(fixed());
  merged.set(origin("a"), records("www.example.com", Type::kA, "192.0.2.10"), 1);
  merged.set(origin("b"), records("fixed.example.org", Type::kA, "192.0.2.10"), 1);
  merged.set(origin("c"), records("fixed.example.org", Type::kCname, "lb.example.net"), 1);
  merged.set(origin("d"), records("x.example.org", Type::kCname, "one.example.net"), 1);
  merged.set(origin("e"), records("x.example.org", Type::kCname, "two.example.net"), 1);
  merged.set(origin("f"), records("x.example.org", Type::kA, "192.0.2.2"), 1);
  merged.set(origin("g"), records("x.example.org", Type::kCname, "one.example.net"), 1);
  texts(merged);
  EXPECT_EQ(problems(merged),
            (std::vector<std::string>{
                "a NoZone: www.example.com. is outside every zone served here",
                "b RecordConflict: fixed.example.org. A is defined by the zone's text",
                "c RecordConflict: fixed.example.org. CNAME cannot stand beside other records of that name",
                "e RecordConflict: x.example.org. CNAME is already taken",
                "f RecordConflict: x.example.org. A cannot stand beside a CNAME of that name"}));
  merged.set(origin("d"), {}, 2);
  merged.set(origin("g"), {}, 2);
  EXPECT_NE(texts(merged).find("x.example.org. 300 IN CNAME two.example.net."), std::string::npos);
  merged.set_fixed({});
  EXPECT_EQ(texts(merged), "");
  EXPECT_EQ(problems(merged).size(), 5u) << "a, b, c, e, f are outside every zone";
}

// Objects that come, change and go in a random order, with updates in between: the zones, the refusals and
// every earlier zone are what building from the objects alone gives.
TEST(MergedZones, TheOrderOfChangesLeavesNoTrace) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SeededRandom random(seed);
    MergedZones merged(fixed());
    std::map<std::string, std::pair<std::vector<Record>, uint32_t>> objects;
    std::vector<std::pair<std::shared_ptr<const Zone>, std::string>> earlier;
    for (uint32_t step = 1; step <= 100; ++step) {
      const std::string name = fmt::format("o{}", random.below(12));
      std::vector<Record> wanted;
      for (uint64_t count = random.below(4); count > 0; --count) {
        constexpr std::string_view owners[] = {"a", "b.a", "c.b.a", "*.a", "fixed", "d.sub", "e.d.sub", "@"};
        const std::string_view owner = owners[random.below(std::size(owners))];
        const std::string full = owner == "@" ? "example.org" : fmt::format("{}.example.org", owner);
        const auto made = random.below(3) == 0
                              ? records(full, Type::kCname, fmt::format("t{}.example", random.below(2)))
                              : records(full, Type::kA, fmt::format("192.0.2.{}", random.below(3)));
        wanted.push_back(made[0]);
      }
      objects[name] = {wanted, step};
      merged.set(origin(name), wanted, step);
      if (random.below(3) != 0) continue;
      MergedZones anew(fixed());
      for (const auto& [key, object] : objects) anew.set(origin(key), object.first, object.second);
      ASSERT_EQ(texts(merged), texts(anew)) << "seed " << seed << " step " << step;
      ASSERT_EQ(problems(merged), problems(anew)) << "seed " << seed << " step " << step;
      const auto now = merged.update().value();
      for (const auto& zone : now) {
        earlier.emplace_back(zone, zone_to_text(*zone));
        EXPECT_EQ(zone->record_count(), zone->records().size());
      }
    }
    for (const auto& [zone, text] : earlier) ASSERT_EQ(zone_to_text(*zone), text);
    for (const auto& [key, object] : objects) merged.set(origin(key), {}, 0);
    MergedZones untouched(fixed());
    EXPECT_EQ(texts(merged), texts(untouched));
    EXPECT_FALSE(merged.update().value().at(0)->find(Name::parse("b.a.example.org").value()))
        << "empty non-terminals went with what they led to";
  }
}

}  // namespace
}  // namespace cloudless::dns
