#include "dns/zone_plan.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "dns/external_records.hpp"
#include "dns/merged_zones.hpp"
#include "dns/zone_text.hpp"

namespace cloudless::dns {
namespace {

using api::core::v1::ConfigMap;
using api::core::v1::Service;

constexpr std::string_view kGood = "$TTL 60\n@ SOA ns host 5 2 3 4 5\nfixed A 192.0.2.1\n";

std::shared_ptr<const ConfigMap> config_map(std::string name, std::map<std::string, std::string> data) {
  auto map = std::make_shared<ConfigMap>();
  map->metadata.namespace_ = "dns";
  map->metadata.name = std::move(name);
  map->data = std::move(data);
  return map;
}

Service load_balancer(std::string name, std::map<std::string, std::string> annotations,
                      std::vector<std::string> ips) {
  Service service;
  service.metadata.namespace_ = "demo";
  service.metadata.name = std::move(name);
  service.metadata.annotations = std::move(annotations);
  service.spec.type = "LoadBalancer";
  service.spec.clusterIP = "10.96.1.1";
  service.spec.clusterIPs = {"10.96.1.1"};
  for (auto& ip : ips) service.status.loadBalancer.ingress.push_back({.ip = std::move(ip)});
  return service;
}

std::string records_of(const Wanted& wanted) {
  std::string out;
  for (const Record& record : wanted.records) {
    out += fmt::format("{} {} {} {}\n", record.owner.to_text(), record.ttl, to_text(record.type),
                       rdata_to_text(record.type, record.rdata));
  }
  for (const Problem& problem : wanted.problems)
    out += fmt::format("! {} {}\n", problem.reason, problem.message);
  return out;
}

constexpr const char* kHostname = "external-dns.alpha.kubernetes.io/hostname";

TEST(ExternalRecords, AServicesHostnamesPointAtItsLoadBalancer) {
  const Wanted wanted = collect(load_balancer(
      "web", {{kHostname, "www.example.org, *.example.org."}, {"external-dns.kubernetes.io/ttl", "1m"}},
      {"192.0.2.10", "2001:db8::10"}));
  EXPECT_EQ(records_of(wanted),
            "www.example.org. 60 A 192.0.2.10\nwww.example.org. 60 AAAA 2001:db8::10\n"
            "*.example.org. 60 A 192.0.2.10\n*.example.org. 60 AAAA 2001:db8::10\n");
}

TEST(ExternalRecords, TheNewerPrefixAndATargetWin) {
  const Wanted wanted =
      collect(load_balancer("web",
                            {{kHostname, "old.example.org"},
                             {"external-dns.kubernetes.io/hostname", "new.example.org"},
                             {"external-dns.kubernetes.io/target", "lb.example.net"},
                             {"external-dns.kubernetes.io/internal-hostname", "in.example.org"}},
                            {"192.0.2.10"}));
  EXPECT_EQ(records_of(wanted),
            "new.example.org. 300 CNAME lb.example.net.\nin.example.org. 300 A 10.96.1.1\n");
}

TEST(ExternalRecords, BadInputIsNamedAndObjectsOfOthersAreLeftAlone) {
  const Wanted wanted = collect(load_balancer(
      "web", {{kHostname, "a..b"}, {"external-dns.kubernetes.io/ttl", "soon"}}, {"192.0.2.10"}));
  EXPECT_EQ(records_of(wanted),
            "! InvalidTTL \"soon\" is not a TTL, 300 seconds are used\n! InvalidHostname \"a..b\": a name "
            "has an empty label\n");
  const Wanted others = collect(load_balancer(
      "web", {{kHostname, "a.b"}, {"external-dns.kubernetes.io/controller", "else"}}, {"192.0.2.1"}));
  EXPECT_EQ(records_of(others), "");
}

TEST(ExternalRecords, AnIngressGivesItsRulesHostsAndItsAnnotation) {
  api::networking::v1::Ingress ingress;
  ingress.metadata.annotations = {{kHostname, "extra.example.org"}};
  ingress.spec.rules.resize(2);
  ingress.spec.rules[0].host = "app.example.org";
  ingress.spec.tls.push_back({.hosts = {"tls.example.org", "app.example.org"}});
  ingress.status.loadBalancer.ingress.push_back({.ip = "192.0.2.7"});
  const Wanted wanted = collect(ingress);
  EXPECT_EQ(records_of(wanted),
            "app.example.org. 300 A 192.0.2.7\nextra.example.org. 300 A 192.0.2.7\ntls.example.org. 300 A "
            "192.0.2.7\n");
}

TEST(ExternalRecords, ADnsEndpointSpellsItsRecordsOut) {
  const auto object = boost::json::parse(R"({"metadata":{"namespace":"n","name":"e"},"spec":{"endpoints":[
    {"dnsName":"mail.example.org","recordType":"MX","recordTTL":77,"targets":["10 mx.example.org"]},
    {"dnsName":"txt.example.org","recordType":"TXT","targets":["some words"]},
    {"dnsName":"bad.example.org","recordType":"A","targets":["not-an-address"]},
    {"dnsName":"odd.example.org","recordType":"NOPE","targets":["x"]},
    {"dnsName":"example.org","recordType":"SOA","targets":["a b 1 2 3 4 5"]}]}})");
  const Wanted wanted = collect_dns_endpoint(object.as_object());
  EXPECT_EQ(
      records_of(wanted),
      "mail.example.org. 77 MX 10 mx.example.org.\ntxt.example.org. 300 TXT \"some words\"\n"
      "! InvalidTarget bad.example.org A: \"not-an-address\" is not an IPv4 address\n"
      "! InvalidRecordType odd.example.org: \"NOPE\" is not one of A, AAAA, CNAME, TXT, SRV, NS, PTR, MX, "
      "NAPTR\n"
      "! InvalidRecordType example.org: \"SOA\" is not one of A, AAAA, CNAME, TXT, SRV, NS, PTR, MX, "
      "NAPTR\n");
}

TEST(ZonePlan, ABrokenTextIsRefusedWhileTheLastGoodOneStays) {
  const auto first = update_sources({}, {config_map("zones", {{"example.org", std::string(kGood)}})});
  EXPECT_EQ(first.loaded.size(), 1u);
  EXPECT_TRUE(first.problems.empty());
  const auto second = update_sources(first.sources, {config_map("zones", {{"example.org", "@ 60 SOA\n"}})});
  ASSERT_EQ(second.problems.size(), 1u);
  EXPECT_EQ(second.problems[0].message,
            "zone example.org.: line 1: SOA data is incomplete; the last good version stays");
  EXPECT_EQ(second.sources.begin()->second.text, kGood);
  EXPECT_TRUE(update_sources(second.sources, {}).sources.empty()) << "a zone that nobody names any more goes";
}

TEST(ZonePlan, TheFirstConfigMapHasAZoneThatTwoName) {
  const auto update = update_sources({}, {config_map("b", {{"example.org.zone", std::string(kGood)}}),
                                          config_map("a", {{"example.org", std::string(kGood)}})});
  ASSERT_EQ(update.problems.size(), 1u);
  EXPECT_EQ(update.problems[0].origin.name, "b");
  EXPECT_EQ(update.sources.begin()->second.origin.name, "a");
}

TEST(ZonePlan, TextsAreTheFixedPartOfTheirZones) {
  const auto sources =
      update_sources({}, {config_map("zones", {{"example.org", std::string(kGood)}})}).sources;
  MergedZones merged(zones_of(sources));
  const Wanted wanted = collect(load_balancer("web", {{kHostname, "www.example.org"}}, {"192.0.2.10"}));
  merged.set(wanted.origin, wanted.records, 1000);
  EXPECT_EQ(zone_to_text(*merged.update().value().at(0)),
            "example.org. 60 IN SOA ns.example.org. host.example.org. 1000 2 3 4 5\n"
            "fixed.example.org. 60 IN A 192.0.2.1\nwww.example.org. 300 IN A 192.0.2.10\n");
}

}  // namespace
}  // namespace cloudless::dns
