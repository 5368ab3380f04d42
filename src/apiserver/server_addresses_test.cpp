#include "apiserver/server_addresses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/json_fields.hpp"
#include "apiserver/testing/test_server.hpp"

namespace cloudless::apiserver {
namespace {

using ::testing::ElementsAre;
using testing::TestServer;

std::vector<std::string> endpoints(TestServer& server) {
  const auto body = json::parse(server.call("GET", "/api/v1/namespaces/default/endpoints/kubernetes").body);
  std::vector<std::string> out;
  for (const auto& address : body.at("subsets").at(0).at("addresses").as_array())
    out.emplace_back(address.at("ip").as_string());
  return out;
}

testing::TestServerOptions options_of(ServerOptions::StoreUsers users) {
  testing::TestServerOptions options;
  options.server.advertise_address = "192.0.2.1";
  options.server.store_users = users;
  return options;
}

TEST(ServerAddresses, AServerAloneWritesNoLease) {
  TestServer server(options_of(ServerOptions::StoreUsers::kThisServer));
  EXPECT_THAT(endpoints(server), ElementsAre("192.0.2.1"));
  EXPECT_TRUE(server.run(server.store().leases()).value().empty());
}

// A second server is another ServerAddresses on the same store.
TEST(ServerAddresses, PointToAllServersThatAreAlive) {
  TestServer server(options_of(ServerOptions::StoreUsers::kSeveralServers));
  EXPECT_THAT(endpoints(server), ElementsAre("192.0.2.1"));
  const ServerOptions other{.advertise_address = "192.0.2.2",
                            .store_users = ServerOptions::StoreUsers::kSeveralServers};
  ServerAddresses second(other, server.server().objects(), server.store(), server.loop(), Logger());
  ASSERT_TRUE(server.run(second.start()));
  EXPECT_THAT(endpoints(server), ElementsAre("192.0.2.1", "192.0.2.2"));
  server.run(second.stop());
  EXPECT_THAT(endpoints(server), ElementsAre("192.0.2.1"));
}

// The lease of a server that lost its power ends by itself, and the next round of any other takes its address
// out.
TEST(ServerAddresses, LeaveOutAServerWhoseLeaseHasEnded) {
  TestServer server;
  const ServerOptions first{.advertise_address = "192.0.2.1",
                            .store_users = ServerOptions::StoreUsers::kSeveralServers};
  ServerAddresses addresses(first, server.server().objects(), server.store(), server.loop(), Logger());
  const auto lease = server.run(server.store().grant_lease(0, std::chrono::seconds(3600))).value();
  ASSERT_TRUE(server.run(server.store().put(
      {.key = "/registry/masterleases/192.0.2.2", .value = share("{}"), .lease = lease.id})));
  ASSERT_TRUE(server.run(addresses.reconcile()));
  EXPECT_THAT(endpoints(server), ElementsAre("192.0.2.1", "192.0.2.2"));
  ASSERT_TRUE(server.run(server.store().revoke_lease(lease.id)));
  ASSERT_TRUE(server.run(addresses.reconcile()));
  EXPECT_THAT(endpoints(server), ElementsAre("192.0.2.1"));
  server.run(addresses.stop());
}

}  // namespace
}  // namespace cloudless::apiserver
