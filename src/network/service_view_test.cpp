#include "network/service_view.hpp"

#include <gtest/gtest.h>

#include "api/core_v1.hpp"
#include "api/discovery_v1.hpp"
#include "network/health_checks.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::network {
namespace {

using api::core::v1::Service;
using api::discovery::v1::EndpointSlice;

Service service_from(const std::string& spec, const std::string& status = "{}") {
  return schema::decode<Service>(
             fmt::format(R"({{"metadata":{{"namespace":"n","name":"s"}},"spec":{},"status":{}}})", spec,
                         status))
      .value();
}

std::shared_ptr<const EndpointSlice> slice() {
  return std::make_shared<const EndpointSlice>(
      schema::decode<EndpointSlice>(
          R"({"addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],
              "endpoints":[{"addresses":["10.244.0.2"],"nodeName":"a","conditions":{"ready":true}},
                           {"addresses":["10.244.0.3"],"nodeName":"b",
                            "conditions":{"ready":false,"serving":true,"terminating":true}}]})")
          .value());
}

TEST(ServiceView, JoinsPortsWithTheSlicesByNameAndProtocol) {
  const ServiceView view = view_service(
      service_from(
          R"({"type":"LoadBalancer","clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1"],
                       "externalTrafficPolicy":"Local","healthCheckNodePort":32000,"sessionAffinity":"ClientIP",
                       "loadBalancerSourceRanges":["198.51.100.0/24"],
                       "ports":[{"name":"http","port":80,"nodePort":30080},{"name":"dns","protocol":"UDP","port":53}]})",
          R"({"loadBalancer":{"ingress":[{"ip":"192.0.2.7"},{"ip":"192.0.2.8","ipMode":"Proxy"}]}})"),
      {slice()});
  EXPECT_EQ(view.key, "n/s");
  EXPECT_EQ(view.cluster_ips.size(), 1u);
  EXPECT_EQ(view.load_balancer_ips, (std::vector{net::IpAddress::parse("192.0.2.7").value()}));
  EXPECT_EQ(view.external_policy, TrafficPolicy::kLocal);
  EXPECT_EQ(view.client_affinity, std::chrono::seconds(10800));
  EXPECT_EQ(view.health_check_node_port, 32000);
  EXPECT_EQ(view.source_ranges.size(), 1u);
  ASSERT_EQ(view.ports.size(), 2u);
  EXPECT_EQ(view.ports[0].node_port, 30080);
  EXPECT_EQ(view.ports[0].endpoints,
            (std::vector<ServiceEndpoint>{
                {net::IpAddress::parse("10.244.0.2").value(), 8080, "a", true, true, false},
                {net::IpAddress::parse("10.244.0.3").value(), 8080, "b", false, true, true}}));
  EXPECT_TRUE(view.ports[1].endpoints.empty());
}

TEST(ServiceView, HeadlessAndExternalNamesAreNotServed) {
  EXPECT_TRUE(view_service(service_from(R"({"clusterIP":"None","ports":[{"port":80}]})"), {}).ports.empty());
  EXPECT_TRUE(view_service(service_from(R"({"type":"ExternalName","externalName":"x"})"), {}).ports.empty());
}

TEST(HealthChecks, AnswerAsKubeProxyDoes) {
  EXPECT_EQ(format_health({"n", "s", 2}),
            R"({"service":{"namespace":"n","name":"s"},"localEndpoints":2,"serviceProxyHealthy":true})");
}

}  // namespace
}  // namespace cloudless::network
