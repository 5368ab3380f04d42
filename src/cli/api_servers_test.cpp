#include "cli/api_servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cloudless::cli {
namespace {

using ::testing::ElementsAre;

api::discovery::v1::EndpointSlice slice(std::initializer_list<const char*> addresses) {
  api::discovery::v1::EndpointSlice out;
  auto& port = out.ports.emplace_back();
  port.name = "https";
  port.port = 6443;
  for (const char* address : addresses) out.endpoints.emplace_back().addresses = {address};
  return out;
}

TEST(ApiServers, AreWhereTheKubernetesServicePoints) {
  EXPECT_THAT(api_server_urls(slice({"192.0.2.2", "192.0.2.1"})),
              ElementsAre("https://192.0.2.1:6443", "https://192.0.2.2:6443"));
  EXPECT_THAT(api_server_urls(slice({"2001:db8::1"})), ElementsAre("https://[2001:db8::1]:6443"));
  EXPECT_TRUE(api_server_urls({}).empty());
}

TEST(ApiServers, AreGoneWithTheirNode) {
  gossip::MembershipView view;
  const auto add = [&view](const char* name, const char* address, gossip::MemberState state) {
    view.members[name] = {
        .name = name, .address = net::SocketAddress::parse(address).value(), .state = state};
  };
  add("one", "192.0.2.1:7946", gossip::MemberState::kDead);
  add("two", "192.0.2.2:7946", gossip::MemberState::kAlive);
  add("three", "[2001:db8::1]:7946", gossip::MemberState::kLeft);
  EXPECT_TRUE(is_of_dead_node("https://192.0.2.1:6443", view));
  EXPECT_FALSE(is_of_dead_node("https://192.0.2.11:6443", view));
  EXPECT_FALSE(is_of_dead_node("https://192.0.2.2:6443", view));
  EXPECT_TRUE(is_of_dead_node("https://[2001:db8::1]:6443", view));
  // An address that moves belongs to no node.
  EXPECT_FALSE(is_of_dead_node("https://192.0.2.100:6443", view));
}

}  // namespace
}  // namespace cloudless::cli
