// Users that a file of tokens or a proxy in front names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/authn/request_header.hpp"
#include "apiserver/authn/static_token.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::apiserver::authn {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

TEST(TokenFile, NamesUserUidAndGroups) {
  const auto users =
      parse_token_file("# people\nt1,alice,1,\"system:masters, dev\"\n\nt2,\"bob \"\"b\"\"\",2\n");
  ASSERT_TRUE(users) << users.error().message;
  EXPECT_EQ(users->at("t1").name, "alice");
  EXPECT_THAT(users->at("t1").groups, ElementsAre("system:masters", "dev"));
  EXPECT_EQ(users->at("t2").name, "bob \"b\"");
  EXPECT_EQ(users->at("t2").uid, "2");
}

TEST(TokenFile, ALineThatIsTooShortIsNamed) {
  EXPECT_EQ(parse_token_file("t,alice,1\nx,y\n").error().message,
            "line 2: must have at least 3 columns (token, user name, user uid), found 2");
  EXPECT_EQ(parse_token_file(",alice,1").error().message, "line 1: empty token");
}

class RequestHeader : public ::testing::Test {
 protected:
  RequestHeader() {
    options_.client_ca = {ca_.certificate};
    options_.uid_headers = {"X-Remote-Uid"};
  }

  std::string client(const pki::Ca& ca, const std::string& name) {
    const auto key = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value();
    const pki::CertificateSpec spec{.subject = {.common_name = name, .organizations = {}},
                                    .alt_names = {},
                                    .usages = {"digital signature", "client auth"},
                                    .not_before = now_ - 1h,
                                    .not_after = now_ + 1h};
    return pki::issue(ca, spec, key.public_key()).value().der();
  }
  Result<std::optional<UserInfo>> ask(std::vector<std::string> certificates, net::Headers headers) {
    net::Request request{.headers = std::move(headers)};
    request.peer.certificates = std::move(certificates);
    RequestHeaderAuthenticator authenticator(options_, simulation_.clock());
    return simulation_.run(authenticator.authenticate(request)).value();
  }

  runtime::Simulation simulation_;
  const WallTime now_ = simulation_.clock().wall_now();
  const pki::Ca ca_ = pki::make_ca(pki::KeyType::kEcdsaP256, "front-proxy-ca", now_, 24h).value();
  const pki::Ca other_ = pki::make_ca(pki::KeyType::kEcdsaP256, "kubernetes", now_, 24h).value();
  RequestHeaderOptions options_;
};

const net::Headers kAlice{{"X-Remote-User", "alice"},     {"X-Remote-Uid", "7"},
                          {"X-Remote-Group", "dev"},      {"X-Remote-Group", "ops"},
                          {"X-Remote-Extra-Scopes", "a"}, {"x-remote-extra-acme.com%2Fproject", "b"}};

TEST_F(RequestHeader, AProxyNamesItsUser) {
  const auto user = ask({client(ca_, "front-proxy-client")}, kAlice);
  ASSERT_TRUE(user && *user);
  EXPECT_EQ((*user)->name, "alice");
  EXPECT_EQ((*user)->uid, "7");
  EXPECT_THAT((*user)->groups, ElementsAre("dev", "ops", "system:authenticated"));
  EXPECT_THAT((*user)->extra.at("scopes"), ElementsAre("a"));
  EXPECT_THAT((*user)->extra.at("acme.com/project"), ElementsAre("b"));
}

TEST_F(RequestHeader, WhoIsNoProxyIsNotBelieved) {
  const auto with_other_ca = ask({client(other_, "front-proxy-client")}, kAlice);
  ASSERT_TRUE(with_other_ca);
  EXPECT_FALSE(*with_other_ca);
  const auto without = ask({}, kAlice);
  ASSERT_TRUE(without);
  EXPECT_FALSE(*without);
  EXPECT_EQ(ask({client(ca_, "somebody")}, kAlice).error().code, Code::kUnauthenticated);
}

TEST_F(RequestHeader, AProxyWithoutAUserSaysNothing) {
  const auto user = ask({client(ca_, "front-proxy-client")}, {});
  ASSERT_TRUE(user);
  EXPECT_FALSE(*user);
}

}  // namespace
}  // namespace cloudless::apiserver::authn
