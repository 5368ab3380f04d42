#include "lb/allocator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "api/core_v1.hpp"
#include "base/random.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::lb {
namespace {

net::IpAddress ip(const std::string& text) { return net::IpAddress::parse(text).value(); }

AddressPool pool(const std::string& name, const std::vector<std::string>& ranges) {
  AddressPool made;
  made.name = name;
  for (const std::string& range : ranges) made.ranges.push_back(parse_range(range).value());
  return made;
}

AddressRequest request(const std::string& name, int age = 0) {
  AddressRequest made;
  made.key = "default/" + name;
  made.ns = "default";
  made.created = WallTime(std::chrono::seconds(age));
  made.cluster_ips = {ip("10.96.0.1")};
  made.ports = {"TCP/80"};
  return made;
}

Allocation only(const AddressRequest& wanted, const std::vector<AddressPool>& pools) {
  return plan_allocation({wanted}, pools, {}).at(wanted.key);
}

TEST(Allocator, GivesTheFirstFreeAddressToTheOldestService) {
  const auto plan =
      plan_allocation({request("b", 1), request("a", 2)}, {pool("p", {"192.0.2.10-192.0.2.11"})}, {});
  EXPECT_EQ(plan.at("default/b"), (Allocation{{ip("192.0.2.10")}, "p", "", ""}));
  EXPECT_EQ(plan.at("default/a"), (Allocation{{ip("192.0.2.11")}, "p", "", ""}));
}

TEST(Allocator, KeepsWhatAServiceHasEvenAgainstAnOlderOneThatHasNone) {
  AddressRequest has = request("young", 9);
  has.current_ips = {ip("192.0.2.10")};
  const auto plan = plan_allocation({request("old", 1), has}, {pool("p", {"192.0.2.10-192.0.2.11"})}, {});
  EXPECT_EQ(plan.at("default/young").ips, (std::vector{ip("192.0.2.10")}));
  EXPECT_EQ(plan.at("default/old").ips, (std::vector{ip("192.0.2.11")}));
}

TEST(Allocator, TakesAnAddressAwayThatNoPoolHasAnyMore) {
  AddressRequest moved = request("a");
  moved.current_ips = {ip("198.51.100.1")};
  EXPECT_EQ(only(moved, {pool("p", {"192.0.2.10/32"})}),
            (Allocation{{ip("192.0.2.10")}, "p", "", "[\"198.51.100.1\"] is not allowed in config"}));
}

struct FailureCase {
  const char* name;
  std::function<void(AddressRequest&)> change;
  std::vector<AddressPool> pools;
  std::string failure;
};

TEST(Allocator, FailuresAreToldInMetalLbsWords) {
  const std::vector<AddressPool> one{pool("p", {"192.0.2.10/32"})};
  const std::vector<FailureCase> cases{
      {"no pools", [](auto&) {}, {}, "no IP pools configured"},
      {"outside", [](auto& r) { r.desired_ips = {ip("198.51.100.1")}; }, one,
       "[\"198.51.100.1\"] is not allowed in config"},
      {"unknown pool", [](auto& r) { r.desired_pool = "q"; }, one, "unknown pool \"q\""},
      {"wrong family", [](auto& r) { r.desired_ips = {ip("2001:db8::1")}; }, one,
       "requested loadBalancer IP(s) [\"2001:db8::1\"] does not match the ipFamily of the service"},
      {"pool without that family",
       [](auto& r) {
         r.cluster_ips = {ip("fd00::1")};
         r.desired_pool = "p";
       },
       one, "no available IPs in pool \"p\" for ipv6 IPFamily"},
      {"malformed", [](auto& r) { r.malformed = "invalid spec.loadBalancerIP \"x\""; }, one,
       "invalid spec.loadBalancerIP \"x\""},
      {"full", [](auto&) {}, {pool("p", {})}, "no available IPs"}};
  for (const FailureCase& test : cases) {
    AddressRequest wanted = request("a");
    test.change(wanted);
    const Allocation allocation = only(wanted, test.pools);
    EXPECT_EQ(allocation.failure, test.failure) << test.name;
    EXPECT_TRUE(allocation.ips.empty()) << test.name;
  }
}

TEST(Allocator, TwoServicesThatAskForOneAddressDoNotBothGetIt) {
  AddressRequest first = request("a", 1), second = request("b", 2);
  first.desired_ips = second.desired_ips = {ip("192.0.2.10")};
  const auto plan = plan_allocation({first, second}, {pool("p", {"192.0.2.0/24"})}, {});
  EXPECT_EQ(plan.at("default/a").ips, (std::vector{ip("192.0.2.10")}));
  EXPECT_EQ(plan.at("default/b").failure,
            "can't change sharing key for \"default/b\", address also in use by default/a");
}

TEST(Allocator, AnAddressIsSharedByOneKeyAndDifferentPortsAlone) {
  AddressRequest first = request("a", 1), second = request("b", 2);
  first.sharing_key = second.sharing_key = "k";
  first.desired_ips = second.desired_ips = {ip("192.0.2.10")};
  const std::vector<AddressPool> pools{pool("p", {"192.0.2.0/24"})};
  EXPECT_EQ(plan_allocation({first, second}, pools, {}).at("default/b").failure,
            "port TCP/80 is already in use on \"192.0.2.10\"");
  second.ports = {"UDP/80"};
  EXPECT_EQ(plan_allocation({first, second}, pools, {}).at("default/b").ips, first.desired_ips);
  second.backend_key = "other pods";
  EXPECT_TRUE(plan_allocation({first, second}, pools, {}).at("default/b").ips.empty());
}

TEST(Allocator, PoolsAreTriedByPinningAndPriorityAndAutoAssign) {
  AddressPool manual = pool("a-manual", {"192.0.2.1/32"}), open = pool("b-open", {"192.0.2.2/32"}),
              late = pool("c-late", {"192.0.2.3/32"}), early = pool("d-early", {"192.0.2.4/32"}),
              foreign = pool("e-foreign", {"192.0.2.5/32"});
  manual.auto_assign = false;
  late.pinned = early.pinned = foreign.pinned = true;
  late.priority = 20;
  early.priority = 10;
  foreign.namespaces = {"elsewhere"};
  const auto plan = plan_allocation({request("1", 1), request("2", 2), request("3", 3), request("4", 4)},
                                    {manual, open, late, early, foreign}, {});
  EXPECT_EQ(plan.at("default/1").pool, "d-early");
  EXPECT_EQ(plan.at("default/2").pool, "c-late");
  EXPECT_EQ(plan.at("default/3").pool, "b-open");
  EXPECT_EQ(plan.at("default/4").failure, "no available IPs");
}

TEST(Allocator, BuggyAddressesAreAvoidedWhereAsked) {
  AddressPool careful = pool("p", {"192.0.2.0/24"});
  careful.avoid_buggy_ips = true;
  EXPECT_EQ(only(request("a"), {careful}).ips, (std::vector{ip("192.0.2.1")}));
}

TEST(Allocator, ADualStackServiceGetsBothFromOnePool) {
  AddressRequest dual = request("a");
  dual.cluster_ips = {ip("10.96.0.1"), ip("fd00::1")};
  dual.family_policy = FamilyPolicy::kRequireDualStack;
  EXPECT_EQ(
      only(dual, {pool("four", {"192.0.2.0/24"}), pool("p", {"198.51.100.1/32", "2001:db8::1/128"})}).ips,
      (std::vector{ip("198.51.100.1"), ip("2001:db8::1")}));
  dual.family_policy = FamilyPolicy::kPreferDualStack;
  EXPECT_EQ(only(dual, {pool("four", {"192.0.2.1/32"})}).ips, (std::vector{ip("192.0.2.1")}));
}

// Random Services come, change and go; statuses are written back as the controller does.
TEST(Allocator, NoAddressIsEverGivenTwiceAndNoneMovesWithoutCause) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    const std::vector<AddressPool> pools{pool("p", {"192.0.2.0-192.0.2.7"}), pool("q", {"198.51.100.0/30"})};
    std::map<std::string, AddressRequest> services;
    for (int step = 0; step < 200; ++step) {
      const std::string name = std::to_string(random.below(20));
      if (random.below(3) == 0) {
        services.erase(name);
      } else if (!services.contains(name)) {
        services[name] = request(name, step);
        if (random.below(4) == 0) services[name].desired_ips = {ip("192.0.2.0").plus(random.below(10))};
      }
      std::vector<AddressRequest> requests;
      for (const auto& [key, service] : services) requests.push_back(service);
      const auto plan = plan_allocation(requests, pools, {});
      std::set<net::IpAddress> given;
      for (auto& [key, service] : services) {
        const Allocation& allocation = plan.at(service.key);
        for (const net::IpAddress& address : allocation.ips)
          ASSERT_TRUE(given.insert(address).second) << "seed " << seed << " step " << step;
        if (!service.current_ips.empty()) {
          ASSERT_EQ(allocation.ips, service.current_ips) << "seed " << seed;
        }
        service.current_ips = allocation.ips;
      }
      std::ranges::reverse(requests);
      ASSERT_EQ(plan_allocation(requests, pools, {}), plan) << "seed " << seed;
    }
  }
}

bool may_share(const AddressRequest& a, const AddressRequest& b) {
  return !a.sharing_key.empty() && a.sharing_key == b.sharing_key && a.backend_key == b.backend_key &&
         std::ranges::none_of(a.ports, [&b](const auto& port) { return b.ports.contains(port); });
}

// The same with pools that come and go and Services that share, change their ports and their keys: whoever
// has an address has it from a pool that is there, and only with those who may share it.
TEST(Allocator, AnAddressIsHeldByThoseAloneWhoMayShareItWhateverChanges) {
  int shared = 0, failed = 0, cleared = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SeededRandom random(seed);
    const std::vector<AddressPool> all{pool("p", {"192.0.2.0-192.0.2.3"}), pool("q", {"198.51.100.0/30"}),
                                       pool("r", {"203.0.113.7-203.0.113.8"})};
    std::map<std::string, AddressRequest> services;
    for (int step = 0; step < 200; ++step) {
      const std::string name = std::to_string(random.below(16));
      if (random.below(4) == 0) services.erase(name);
      AddressRequest& changed = services.try_emplace(name, request(name, step)).first->second;
      changed.sharing_key = random.below(3) == 0 ? "" : fmt::format("key{}", random.below(2));
      changed.backend_key = random.below(5) == 0 ? "local" : "";
      changed.ports = {fmt::format("TCP/{}", random.below(4))};
      if (random.below(6) == 0) changed.desired_ips = {ip("192.0.2.0").plus(random.below(5))};
      std::vector<AddressPool> pools;
      for (const AddressPool& made : all) {
        if (random.below(8) != 0) pools.push_back(made);
      }
      std::vector<AddressRequest> requests;
      for (const auto& [key, service] : services) requests.push_back(service);
      const auto plan = plan_allocation(requests, pools, {});
      std::map<net::IpAddress, std::vector<const AddressRequest*>> holders;
      for (auto& [key, service] : services) {
        const Allocation& allocation = plan.at(service.key);
        failed += allocation.ips.empty() ? 1 : 0;
        cleared += allocation.cleared.empty() ? 0 : 1;
        ASSERT_EQ(allocation.ips.empty(), !allocation.failure.empty());
        for (const net::IpAddress& address : allocation.ips) {
          ASSERT_TRUE(std::ranges::any_of(pools, [&](const auto& p) { return p.contains(address); }));
          for (const AddressRequest* other : holders[address])
            ASSERT_TRUE(may_share(service, *other)) << "seed " << seed << " step " << step;
          holders[address].push_back(&service);
          shared += holders[address].size() > 1 ? 1 : 0;
        }
        service.current_ips = allocation.ips;
      }
    }
  }
  EXPECT_GT(shared, 0);
  EXPECT_GT(failed, 0);
  EXPECT_GT(cleared, 0);
}

// --- resources and Services ---

TEST(AddressRange, ReadsNetworksAndRangesAndRefusesTheRest) {
  EXPECT_EQ(parse_range("192.0.2.8/30").value(), (AddressRange{ip("192.0.2.8"), ip("192.0.2.11")}));
  EXPECT_EQ(parse_range("192.0.2.8 - 192.0.2.9").value(), (AddressRange{ip("192.0.2.8"), ip("192.0.2.9")}));
  EXPECT_EQ(parse_range("2001:db8::/126").value().last, ip("2001:db8::3"));
  for (const char* bad : {"192.0.2.1", "192.0.2.9-192.0.2.8", "192.0.2.1-2001:db8::1", "x/24", ""})
    EXPECT_FALSE(parse_range(bad)) << bad;
}

TEST(AddressPool, IsReadFromItsResource) {
  const auto parsed = parse_pool(boost::json::parse(
      R"({"metadata":{"name":"p","labels":{"zone":"a"}},"spec":{"addresses":["192.0.2.0/24"],"autoAssign":false,
          "serviceAllocation":{"priority":5,"namespaces":["x"],
                               "serviceSelectors":[{"matchLabels":{"app":"web"}}]}}})"));
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(parsed->auto_assign);
  EXPECT_TRUE(parsed->pinned);
  EXPECT_EQ(parsed->priority, 5);
  EXPECT_TRUE(parsed->service_selectors.at(0).matches({{"app", "web"}}));
  EXPECT_EQ(parse_pool(boost::json::parse(R"({"metadata":{"name":"p"},"spec":{"addresses":["x"]}})"))
                .error()
                .message,
            "pool \"p\": invalid CIDR or IP range \"x\"");
}

TEST(CustomResourceDefinitions, AreWholeDocuments) {
  for (const auto& [name, text] : custom_resource_definitions()) {
    const auto definition = boost::json::parse(text);
    EXPECT_EQ(definition.at("metadata").at("name").as_string(), name);
    const auto& schema = definition.at_pointer("/spec/versions/0/schema/openAPIV3Schema").as_object();
    EXPECT_TRUE(schema.at("properties").at("spec").is_object());
    // An L2Advertisement of all pools has none.
    EXPECT_EQ(schema.contains("required"), name.starts_with("ipaddresspools")) << name;
  }
}

TEST(ServiceRequest, ReadsMetalLbsAnnotationsUnderBothPrefixes) {
  const auto service = schema::decode<api::core::v1::Service>(
      R"({"metadata":{"namespace":"n","name":"s","annotations":{"metallb.universe.tf/loadBalancerIPs":"192.0.2.1, 2001:db8::1",
          "metallb.io/address-pool":"p","metallb.universe.tf/address-pool":"old","metallb.io/allow-shared-ip":"k"}},
          "spec":{"type":"LoadBalancer","clusterIP":"10.96.0.1","ports":[{"port":80},{"port":53,"protocol":"UDP"}]}})");
  ASSERT_TRUE(service);
  const auto wanted = request_of(*service, "");
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->desired_ips, (std::vector{ip("192.0.2.1"), ip("2001:db8::1")}));
  EXPECT_EQ(wanted->desired_pool, "p");
  EXPECT_EQ(wanted->sharing_key, "k");
  EXPECT_EQ(wanted->ports, (std::set<std::string>{"TCP/80", "UDP/53"}));
  EXPECT_FALSE(request_of(*service, "other-class"));
}

}  // namespace
}  // namespace cloudless::lb
