#include "dns/cluster_service.hpp"

#include <gtest/gtest.h>

#include "api/core_v1.hpp"
#include "api/discovery_v1.hpp"

namespace cloudless::dns {
namespace {

using api::core::v1::Node;
using api::core::v1::Service;
using api::discovery::v1::EndpointSlice;

const ClusterServiceOptions kOptions{.address = net::IpAddress::v4(0x0a60000a), .node_port = 53};

class ClusterServicePlan : public ::testing::Test {
 protected:
  void add_node(const std::string& name, const std::string& address) {
    auto node = std::make_shared<Node>();
    node->metadata.name = name;
    if (!address.empty()) node->status.addresses.push_back({.type = "InternalIP", .address = address});
    nodes_.put(name, node);
  }
  client::Plan plan() { return plan_cluster_service(kOptions, nodes_, services_, slices_); }

  // Puts what the plan writes into the caches.
  void perform(const client::Plan& plan) {
    for (const client::Action& action : plan.actions) {
      if (action.resource.kind == "Service") {
        services_.put(
            "kube-system/kube-dns",
            std::make_shared<Service>(client::decode_object<Service>(std::string_view(action.body)).value()));
      } else {
        slices_.put("kube-system/kube-dns",
                    std::make_shared<EndpointSlice>(
                        client::decode_object<EndpointSlice>(std::string_view(action.body)).value()));
      }
    }
  }

  client::ObjectCache<Node> nodes_;
  client::ObjectCache<Service> services_;
  client::ObjectCache<EndpointSlice> slices_;
};

TEST_F(ClusterServicePlan, MakesTheServiceAndAnEndpointForEachNode) {
  add_node("one", "192.0.2.1");
  add_node("two", "192.0.2.2");
  add_node("unborn", "");
  const client::Plan first = plan();
  ASSERT_EQ(first.actions.size(), 2u);
  perform(first);
  const auto service = services_.get("kube-system/kube-dns");
  EXPECT_EQ(service->spec.clusterIP, "10.96.0.10");
  EXPECT_EQ(service->spec.internalTrafficPolicy, "Local");
  const auto slice = slices_.get("kube-system/kube-dns");
  ASSERT_EQ(slice->endpoints.size(), 2u);
  EXPECT_EQ(slice->endpoints[1].addresses, std::vector<std::string>{"192.0.2.2"});
  EXPECT_EQ(slice->endpoints[1].nodeName, "two");
}

TEST_F(ClusterServicePlan, WritesNothingWhenAllIsAsItShouldBe) {
  add_node("one", "192.0.2.1");
  perform(plan());
  EXPECT_TRUE(plan().actions.empty());
  add_node("two", "192.0.2.2");
  EXPECT_EQ(plan().actions.size(), 1u);
}

}  // namespace
}  // namespace cloudless::dns
