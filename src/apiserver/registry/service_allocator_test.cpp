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
    const auto last = static_cast<uint32_t>(std::stoi(std::string(address.substr(address.rfind('.') + 1))));
    EXPECT_TRUE(taken.addresses.insert(uint32_t{10} << 24 | last).second) << address;
  }
  json::object object = service(R"({"type":"ClusterIP"})");
  EXPECT_EQ(allocate_service(object, nullptr, ranges, taken, random).error().code, 500);
}

TEST(ServiceAllocator, WhatIsAskedForIsGivenUnlessItIsTakenOrOutside) {
  SeededRandom random(1);
  const TakenByServices taken{.addresses = {uint32_t{10} << 24 | 96u << 16 | 5}, .node_ports = {30001}};
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

}  // namespace
}  // namespace cloudless::apiserver
