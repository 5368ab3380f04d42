#include "apiserver/registry/service_allocator.hpp"

#include <gtest/gtest.h>

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver {
namespace {

json::object service(std::string_view spec) {
  return {{"metadata", {{"name", "a"}, {"namespace", "default"}}}, {"spec", json::parse(spec)}};
}

TEST(ServiceAllocator, EveryAddressOfARangeIsGivenOnceAndThenItIsFull) {
  SeededRandom random(1);
  const ServiceRanges ranges{.cidr = "10.0.0.0/27"};
  TakenByServices taken;
  for (int i = 0; i < 30; ++i) {
    json::object object = service(R"({"type":"ClusterIP"})");
    ASSERT_TRUE(allocate_service(object, nullptr, ranges, taken, random).has_value());
    const std::string_view address = text_at(object, {"spec", "clusterIP"});
    EXPECT_TRUE(taken.addresses.insert(net::IpAddress::parse(address).value()).second) << address;
  }
  json::object object = service(R"({"type":"ClusterIP"})");
  EXPECT_EQ(allocate_service(object, nullptr, ranges, taken, random).error().code, 500);
}

TEST(ServiceAllocator, WhatIsAskedForIsGivenUnlessItIsTakenOrOutside) {
  SeededRandom random(1);
  const TakenByServices taken{.addresses = {net::IpAddress::parse("10.96.0.5").value()},
                              .node_ports = {30001}};
  const auto allocate = [&](std::string_view spec) {
    json::object object = service(spec);
    const ApiResult<> done = allocate_service(object, nullptr, {}, taken, random);
    return done ? std::string() : done.error().message;
  };
  EXPECT_EQ(allocate(R"({"type":"ClusterIP","clusterIP":"10.96.0.6"})"), "");
  EXPECT_TRUE(allocate(R"({"type":"ClusterIP","clusterIP":"10.96.0.5"})")
                  .ends_with("provided IP is already allocated"));
  EXPECT_TRUE(allocate(R"({"type":"ClusterIP","clusterIP":"1.2.3.4"})")
                  .ends_with("The range of valid IPs is 10.96.0.0/12"));
  EXPECT_TRUE(allocate(R"({"type":"NodePort","ports":[{"port":1,"nodePort":30001}]})")
                  .ends_with("provided port is already allocated"));
  EXPECT_EQ(allocate(R"({"type":"ClusterIP","clusterIP":"None"})"), "");
}

TEST(ServiceAllocator, AnAddressDoesNotChangeAndGoesWithTheType) {
  SeededRandom random(1);
  const json::object old_service = service(
      R"({"type":"NodePort","clusterIP":"10.96.0.9","ports":[{"port":80,"protocol":"TCP","nodePort":31000}]})");
  json::object moved = service(R"({"type":"NodePort","clusterIP":"10.96.0.8"})");
  EXPECT_EQ(allocate_service(moved, &old_service, {}, {}, random).error().code, 422);
  json::object kept =
      service(R"({"type":"NodePort","clusterIP":"10.96.0.9","ports":[{"port":80,"protocol":"TCP"}]})");
  ASSERT_TRUE(allocate_service(kept, &old_service, {}, {}, random).has_value());
  EXPECT_EQ(holdings_of(kept).node_ports, std::set<uint16_t>{31000});
  json::object external =
      service(R"({"type":"ExternalName","externalName":"x.org","clusterIP":"10.96.0.9"})");
  ASSERT_TRUE(allocate_service(external, &old_service, {}, {}, random).has_value());
  EXPECT_TRUE(holdings_of(external).addresses.empty());
}

// What a Service's families and addresses come to: "PreferDualStack IPv4,IPv6 10.96.x,fd00::x", with an x in
// place of what was chosen; or the refusal.
std::string settled(std::string_view spec, std::string cidr, const json::object* old_service = nullptr) {
  SeededRandom random(1);
  json::object object = service(spec);
  const ApiResult<> done = allocate_service(object, old_service, {.cidr = std::move(cidr)}, {}, random);
  if (!done) return done.error().causes.empty() ? done.error().message : done.error().causes[0].message;
  std::vector<std::string> families;
  std::vector<std::string> addresses;
  for (const json::value& family : array_at(object, {"spec", "ipFamilies"})) {
    families.emplace_back(family.as_string());
  }
  for (const json::value& address : array_at(object, {"spec", "clusterIPs"})) {
    std::string text(address.as_string());
    if (text.starts_with("10.96.1.")) text = "v4";
    if (text.starts_with("fd00::1:")) text = "v6";
    addresses.push_back(text);
  }
  return fmt::format("{} {} {}", text_at(object, {"spec", "ipFamilyPolicy"}), fmt::join(families, ","),
                     fmt::join(addresses, ","));
}

TEST(ServiceFamilies, AreSettledAsUpstreamSettlesThem) {
  const char* kBoth = "10.96.1.0/24,fd00::1:0/112";
  const char* kFour = "10.96.1.0/24";
  const char* kSix = "fd00::1:0/112";
  EXPECT_EQ(settled(R"({})", kFour), "SingleStack IPv4 v4");
  EXPECT_EQ(settled(R"({})", kSix), "SingleStack IPv6 v6");
  EXPECT_EQ(settled(R"({})", kBoth), "SingleStack IPv4 v4");
  EXPECT_EQ(settled(R"({"ipFamilies":["IPv6"]})", kBoth), "SingleStack IPv6 v6");
  EXPECT_EQ(settled(R"({"ipFamilies":["IPv6","IPv4"]})", kBoth), "RequireDualStack IPv6,IPv4 v6,v4");
  EXPECT_EQ(settled(R"({"ipFamilyPolicy":"PreferDualStack"})", kBoth), "PreferDualStack IPv4,IPv6 v4,v6");
  EXPECT_EQ(settled(R"({"ipFamilyPolicy":"PreferDualStack"})", kFour), "PreferDualStack IPv4 v4");
  EXPECT_EQ(settled(R"({"ipFamilyPolicy":"RequireDualStack"})", kFour),
            "Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services");
  EXPECT_EQ(settled(R"({"ipFamilies":["IPv6"]})", kFour),
            "Invalid value: \"IPv6\": not configured on this cluster");
  EXPECT_EQ(settled(R"({"clusterIP":"fd00::1:5"})", kBoth), "SingleStack IPv6 v6");
  EXPECT_EQ(settled(R"({"clusterIP":"None","selector":{"a":"b"}})", kBoth), "SingleStack IPv4 None");
  EXPECT_EQ(settled(R"({"clusterIP":"None"})", kFour), "RequireDualStack IPv4,IPv6 None");
}

TEST(ServiceFamilies, ASecondFamilyComesAndGoesWithThePolicy) {
  const char* kBoth = "10.96.1.0/24,fd00::1:0/112";
  const json::object single = service(
      R"({"clusterIP":"10.96.1.7","clusterIPs":["10.96.1.7"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack"})");
  EXPECT_EQ(settled(R"({"clusterIP":"10.96.1.7","clusterIPs":["10.96.1.7"],"ipFamilies":["IPv4"],
                        "ipFamilyPolicy":"PreferDualStack"})",
                    kBoth, &single),
            "PreferDualStack IPv4,IPv6 v4,v6");
  const json::object dual = service(
      R"({"clusterIP":"10.96.1.7","clusterIPs":["10.96.1.7","fd00::1:9"],"ipFamilies":["IPv4","IPv6"],
          "ipFamilyPolicy":"PreferDualStack"})");
  EXPECT_EQ(settled(R"({"clusterIP":"10.96.1.7","clusterIPs":["10.96.1.7","fd00::1:9"],
                        "ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"SingleStack"})",
                    kBoth, &dual),
            "SingleStack IPv4 v4");
  EXPECT_EQ(holdings_of(dual).addresses, (std::set<std::string>{"10.96.1.7", "fd00::1:9"}));
}

TEST(ServiceRange, IsOneOrOneOfEachFamily) {
  EXPECT_EQ(parse_service_ranges("10.96.0.0/12, fd00::/108").value().size(), 2U);
  EXPECT_FALSE(parse_service_ranges("10.96.0.0/12,10.0.0.0/24"));
  EXPECT_FALSE(parse_service_ranges("10.96.0.1"));
  EXPECT_FALSE(parse_service_ranges("10.96.0.0/31"));
  EXPECT_EQ(ServiceRange::parse("10.0.0.0/30").value().size(), 2U);
  EXPECT_EQ(ServiceRange::parse("fd00::/64").value().at(1).to_string(), "fd00::1");
}

}  // namespace
}  // namespace cloudless::apiserver
