#include "bootstrap/signer.hpp"

#include <gtest/gtest.h>

#include "bootstrap/cluster_info.hpp"
#include "bootstrap/token.hpp"

namespace cloudless::bootstrap {
namespace {

using namespace std::chrono_literals;
using api::core::v1::ConfigMap;
using api::core::v1::Secret;

const WallTime kNow = parse_rfc3339("2026-11-22T12:00:00Z").value();

struct World {
  client::ObjectCache<Secret> secrets;
  client::ObjectCache<ConfigMap> config_maps;

  void add(const BootstrapTokenSpec& token) {
    const Secret secret = to_secret(token).value();
    secrets.put("kube-system/" + secret.metadata.name, std::make_shared<const Secret>(secret));
  }
  void add(const ConfigMap& info) {
    config_maps.put("kube-public/cluster-info", std::make_shared<const ConfigMap>(info));
  }
  client::Plan plan() const { return plan_signatures(secrets, config_maps, kNow); }
};

const BootstrapTokenSpec kToken{.token = {"abcdef", "0123456789abcdef"}, .expires = kNow + 1h};

TEST(BootstrapSigner, SignsForATokenAndLooksAgainWhenItExpires) {
  World world;
  world.add(make_cluster_info("https://192.0.2.1:6443", ""));
  world.add(kToken);
  const client::Plan plan = world.plan();
  ASSERT_EQ(plan.actions.size(), 1U);
  EXPECT_EQ(plan.actions[0].verb, client::Verb::kUpdate);
  EXPECT_EQ(plan.actions[0].name, "cluster-info");
  EXPECT_NE(plan.actions[0].body.find("jws-kubeconfig-abcdef"), std::string::npos);
  EXPECT_EQ(plan.again_after, Duration(1h));
}

TEST(BootstrapSigner, WritesNothingWhereAllIsSigned) {
  World world;
  world.add(sign_cluster_info(make_cluster_info("https://192.0.2.1:6443", ""), {kToken}, kNow));
  world.add(kToken);
  EXPECT_TRUE(world.plan().actions.empty());
}

TEST(BootstrapSigner, DeletesAnExpiredTokenAndItsSignature) {
  World world;
  world.add(sign_cluster_info(make_cluster_info("https://192.0.2.1:6443", ""), {kToken}, kNow));
  BootstrapTokenSpec expired = kToken;
  expired.expires = kNow;
  world.add(expired);
  const client::Plan plan = world.plan();
  ASSERT_EQ(plan.actions.size(), 2U);
  EXPECT_EQ(plan.actions[0].verb, client::Verb::kDelete);
  EXPECT_EQ(plan.actions[0].name, "bootstrap-token-abcdef");
  EXPECT_EQ(plan.actions[1].body.find("jws-kubeconfig-abcdef"), std::string::npos);
}

TEST(BootstrapSigner, LeavesOtherSecretsAlone) {
  World world;
  world.add(make_cluster_info("https://192.0.2.1:6443", ""));
  Secret other = to_secret(kToken).value();
  other.type = "Opaque";
  world.secrets.put("kube-system/other", std::make_shared<const Secret>(other));
  EXPECT_TRUE(world.plan().actions.empty());
}

}  // namespace
}  // namespace cloudless::bootstrap
