#include "dns/cluster_records.hpp"

#include <gtest/gtest.h>

#include "dns/merged_zones.hpp"
#include "dns/testing/decode.hpp"

namespace cloudless::dns {
namespace {

using api::core::v1::Service;
using api::core::v1::ServicePort;
using api::discovery::v1::EndpointSlice;

std::shared_ptr<Service> service(std::string name, std::string cluster_ip) {
  auto made = std::make_shared<Service>();
  made->metadata.namespace_ = "default";
  made->metadata.name = std::move(name);
  made->spec.type = "ClusterIP";
  made->spec.clusterIP = cluster_ip;
  if (!cluster_ip.empty()) made->spec.clusterIPs = {std::move(cluster_ip)};
  made->spec.ports = {ServicePort{.name = "http", .protocol = "TCP", .port = 80}};
  return made;
}

class ClusterRecords : public ::testing::Test {
 protected:
  std::string ask(std::string_view name, Type type) {
    const ClusterOptions options{.domain = "cluster.local",
                                 .dns_address = net::IpAddress::parse("10.96.0.10").value(),
                                 .reverse_prefixes = {net::Prefix::parse("10.96.0.0/12").value(),
                                                      net::Prefix::parse("10.244.0.0/16").value()}};
    MergedZones merged(cluster_zones(options).value());
    const Name domain = Name::parse(options.domain).value();
    for (const auto& service : services_) {
      merged.set({.kind = "Service", .name = service->metadata.name},
                 service_records(domain, *service, slices_, node_alive_), 1);
    }
    const ZoneSet zones(merged.update().value());
    const std::string text = testing::decode(answer(
        zones, {.name = Name::parse(name).value(), .type = static_cast<uint16_t>(type)}, kEdnsUdpLimit));
    return text.substr(0, text.find("\nau") == std::string::npos ? text.size() : text.find("\nau") + 1);
  }

  void add_headless() {
    auto headless = service("db", "None");
    services_.push_back(headless);
    auto slice = std::make_shared<EndpointSlice>();
    slice->metadata.namespace_ = "default";
    slice->metadata.labels = {{"kubernetes.io/service-name", "db"}};
    slice->ports.push_back({.name = "http", .protocol = "TCP", .port = 8080});
    for (const auto& [ip, node, ready] : std::initializer_list<std::tuple<const char*, const char*, bool>>{
             {"10.244.0.1", "one", true}, {"10.244.1.2", "two", true}, {"10.244.0.3", "one", false}}) {
      api::discovery::v1::Endpoint endpoint;
      endpoint.addresses = {ip};
      endpoint.nodeName = node;
      endpoint.conditions.ready = ready;
      slice->endpoints.push_back(endpoint);
    }
    slice->endpoints[0].hostname = "db-0";
    slices_.push_back(slice);
  }

  std::vector<std::shared_ptr<const Service>> services_;
  std::vector<std::shared_ptr<const EndpointSlice>> slices_;
  NodeAlive node_alive_;
};

TEST_F(ClusterRecords, AServiceHasItsClusterAddressItsPortsAndAReverseName) {
  services_.push_back(service("web", "10.100.1.2"));
  EXPECT_EQ(ask("web.default.svc.cluster.local", Type::kA),
            "NOERROR aa\nan web.default.svc.cluster.local. 5 A 10.100.1.2\n");
  EXPECT_EQ(ask("_http._tcp.web.default.svc.cluster.local", Type::kSrv),
            "NOERROR aa\nan _http._tcp.web.default.svc.cluster.local. 5 SRV 0 100 80 "
            "web.default.svc.cluster.local.\n"
            "ad web.default.svc.cluster.local. 5 A 10.100.1.2\n");
  EXPECT_EQ(ask("2.1.100.10.in-addr.arpa", Type::kPtr),
            "NOERROR aa\nan 2.1.100.10.in-addr.arpa. 5 PTR web.default.svc.cluster.local.\n");
  EXPECT_EQ(ask("none.default.svc.cluster.local", Type::kA), "NXDOMAIN aa\n");
  EXPECT_EQ(ask("default.svc.cluster.local", Type::kA), "NOERROR aa\n");
}

TEST_F(ClusterRecords, AHeadlessServiceHasItsReadyEndpoints) {
  add_headless();
  EXPECT_EQ(ask("db.default.svc.cluster.local", Type::kA),
            "NOERROR aa\nan db.default.svc.cluster.local. 5 A 10.244.0.1\nan db.default.svc.cluster.local. 5 "
            "A 10.244.1.2\n");
  EXPECT_EQ(ask("db-0.db.default.svc.cluster.local", Type::kA),
            "NOERROR aa\nan db-0.db.default.svc.cluster.local. 5 A 10.244.0.1\n");
  EXPECT_EQ(ask("10-244-1-2.db.default.svc.cluster.local", Type::kA),
            "NOERROR aa\nan 10-244-1-2.db.default.svc.cluster.local. 5 A 10.244.1.2\n");
  EXPECT_EQ(ask("1.0.244.10.in-addr.arpa", Type::kPtr),
            "NOERROR aa\nan 1.0.244.10.in-addr.arpa. 5 PTR db-0.db.default.svc.cluster.local.\n");
}

TEST_F(ClusterRecords, EndpointsOnADeadNodeAreLeftOut) {
  add_headless();
  node_alive_ = [](const std::string& node) { return node != "one"; };
  EXPECT_EQ(ask("db.default.svc.cluster.local", Type::kA),
            "NOERROR aa\nan db.default.svc.cluster.local. 5 A 10.244.1.2\n");
  EXPECT_EQ(ask("db-0.db.default.svc.cluster.local", Type::kA), "NXDOMAIN aa\n");
}

TEST_F(ClusterRecords, UnreadyEndpointsArePublishedWhereTheServiceAsksForIt) {
  add_headless();
  const auto headless = std::make_shared<Service>(*services_[0]);
  headless->spec.publishNotReadyAddresses = true;
  services_[0] = headless;
  EXPECT_NE(ask("db.default.svc.cluster.local", Type::kA).find("10.244.0.3"), std::string::npos);
}

TEST_F(ClusterRecords, AnExternalNameIsAnAlias) {
  auto alias = service("out", "");
  alias->spec.type = "ExternalName";
  alias->spec.externalName = "www.example.net";
  services_.push_back(alias);
  EXPECT_EQ(ask("out.default.svc.cluster.local", Type::kA),
            "NOERROR aa\nan out.default.svc.cluster.local. 5 CNAME www.example.net.\n");
}

TEST_F(ClusterRecords, APodsDashedNameSpellsItsAddress) {
  EXPECT_EQ(ask("10-244-1-7.any.pod.cluster.local", Type::kA),
            "NOERROR aa\nan 10-244-1-7.any.pod.cluster.local. 5 A 10.244.1.7\n");
  EXPECT_EQ(ask("10-244-1-7.any.pod.cluster.local", Type::kAaaa), "NOERROR aa\n");
  EXPECT_EQ(ask("web.any.pod.cluster.local", Type::kA), "NXDOMAIN aa\n");
  EXPECT_EQ(ask("pod.cluster.local", Type::kA), "NOERROR aa\n");
}

TEST_F(ClusterRecords, AnAddressOfTwoHeadlessServicesHasBothNames) {
  add_headless();
  const auto other = std::make_shared<Service>(*services_[0]);
  other->metadata.name = "db2";
  services_.push_back(other);
  EXPECT_EQ(ask("1.0.244.10.in-addr.arpa", Type::kPtr),
            "NOERROR aa\nan 1.0.244.10.in-addr.arpa. 5 PTR db-0.db.default.svc.cluster.local.\n"
            "an 1.0.244.10.in-addr.arpa. 5 PTR db-0.db2.default.svc.cluster.local.\n");
}

TEST(ReverseZones, CoverAPrefixAtItsNextBoundary) {
  const auto text = [](std::string_view prefix) {
    std::string out;
    for (const Name& apex : reverse_apexes(net::Prefix::parse(prefix).value())) out += apex.to_text() + " ";
    return out;
  };
  EXPECT_EQ(text("10.244.0.0/16"), "244.10.in-addr.arpa. ");
  EXPECT_EQ(text("10.244.8.0/23"), "8.244.10.in-addr.arpa. 9.244.10.in-addr.arpa. ");
  EXPECT_EQ(text("fd00:10:96::/47"), "6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 7.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. ");
}

}  // namespace
}  // namespace cloudless::dns
