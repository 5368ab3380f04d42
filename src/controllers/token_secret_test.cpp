#include "controllers/token_secret.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace cloudless::controllers {
namespace {

using api::core::v1::Secret;
using api::core::v1::ServiceAccount;
using client::Verb;

constexpr const char* kRootCa = "-----BEGIN CERTIFICATE-----\n";

Secret token_secret() {
  Secret out;
  out.metadata.namespace_ = "shop";
  out.metadata.name = "robot-token";
  out.metadata.uid = "s-1";
  out.metadata.resourceVersion = "7";
  out.metadata.annotations["kubernetes.io/service-account.name"] = "robot";
  out.type = "kubernetes.io/service-account-token";
  return out;
}

ServiceAccount robot() {
  ServiceAccount out;
  out.metadata.namespace_ = "shop";
  out.metadata.name = "robot";
  out.metadata.uid = "a-1";
  return out;
}

Result<std::string> mint(const Secret& secret, const ServiceAccount& account) {
  return secret.metadata.name + " of " + account.metadata.uid;
}

Secret filled() {
  Secret out = token_secret();
  out.metadata.annotations["kubernetes.io/service-account.uid"] = "a-1";
  out.data = {{"token", "kept"}, {"namespace", "shop"}, {"ca.crt", kRootCa}};
  return out;
}

TEST(TokenSecret, GetsTokenCaAndNamespace) {
  const ServiceAccount account = robot();
  const auto plan = plan_token_secret(token_secret(), &account, mint, kRootCa);
  ASSERT_TRUE(plan && plan->actions.size() == 1U);
  EXPECT_EQ(plan->actions[0].verb, Verb::kUpdate);
  const auto written = client::decode_object<Secret>(boost::json::parse(plan->actions[0].body));
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->data.at("token"), "robot-token of a-1");
  EXPECT_EQ(written->data.at("namespace"), "shop");
  EXPECT_EQ(written->data.at("ca.crt"), kRootCa);
  EXPECT_EQ(written->metadata.annotations.at("kubernetes.io/service-account.uid"), "a-1");
}

TEST(TokenSecret, WhatIsFilledIsLeftAlone) {
  const ServiceAccount account = robot();
  const auto plan = plan_token_secret(filled(), &account, mint, kRootCa);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->actions.empty());
}

TEST(TokenSecret, ANewCaReplacesTheOldAndTheTokenStays) {
  const ServiceAccount account = robot();
  const auto plan = plan_token_secret(filled(), &account, mint, "another");
  ASSERT_TRUE(plan && plan->actions.size() == 1U);
  const auto written = client::decode_object<Secret>(boost::json::parse(plan->actions[0].body));
  ASSERT_TRUE(written);
  EXPECT_EQ(written->data.at("ca.crt"), "another");
  EXPECT_EQ(written->data.at("token"), "kept");
}

TEST(TokenSecret, GoesWithItsServiceAccount) {
  const auto orphan = plan_token_secret(filled(), nullptr, mint, kRootCa);
  ASSERT_TRUE(orphan && orphan->actions.size() == 1U);
  EXPECT_EQ(orphan->actions[0].verb, Verb::kDelete);
  ServiceAccount another = robot();
  another.metadata.uid = "a-2";
  const auto replaced = plan_token_secret(filled(), &another, mint, kRootCa);
  ASSERT_TRUE(replaced && replaced->actions.size() == 1U);
  EXPECT_EQ(replaced->actions[0].verb, Verb::kDelete);
}

TEST(TokenSecret, WhatCannotBeSignedIsAnError) {
  const ServiceAccount account = robot();
  const MintToken broken = [](const auto&, const auto&) -> Result<std::string> {
    return fail(Code::kInternal, "no key");
  };
  EXPECT_FALSE(plan_token_secret(token_secret(), &account, broken, kRootCa));
}

}  // namespace
}  // namespace cloudless::controllers
