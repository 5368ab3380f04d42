#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/authn/bootstrap_token.hpp"
#include "apiserver/authn/certificate.hpp"
#include "apiserver/authn/impersonation.hpp"
#include "apiserver/authn/service_account.hpp"
#include "apiserver/authn/users.hpp"
#include "apiserver/testing/fake_objects.hpp"
#include "base/encoding.hpp"
#include "pki/certificate.hpp"
#include "pki/jws.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::apiserver::authn {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kIssuer = "https://kubernetes.default.svc.cluster.local";

class TokenTest : public ::testing::Test {
 protected:
  TokenTest() : key_(pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value()), random_(1) {
    options_.issuers = {kIssuer};
    options_.keys = {key_.public_key()};
    objects_.put({"", "serviceaccounts"}, R"({"metadata":{"name":"web","namespace":"shop","uid":"sa-1"}})");
    objects_.put({"", "pods"}, R"({"metadata":{"name":"p","namespace":"shop","uid":"pod-1"},
                                  "spec":{"serviceAccountName":"web","nodeName":"n1"}})");
    objects_.put({"", "nodes"}, R"({"metadata":{"name":"n1","uid":"node-1"}})");
  }

  ApiResult<json::object> request(std::string_view body) {
    TokenIssuer issuer(options_, key_, objects_, clock(), random_);
    const UserInfo user{.name = "admin"};
    return simulation_.run(issuer.create({user, "shop", "web"}, json::parse(body).as_object())).value();
  }
  std::string token(std::string_view body = R"({"spec":{}})") {
    return std::string(text_at(request(body).value(), {"status", "token"}));
  }
  Result<std::optional<TokenUser>> check(const std::string& token,
                                         std::vector<std::string> audiences = {kIssuer}) {
    ServiceAccountAuthenticator authenticator(options_, objects_, clock());
    return simulation_.run(authenticator.authenticate_token(token, audiences)).value();
  }
  const Clock& clock() { return simulation_.clock(); }

  runtime::Simulation simulation_;
  ::cloudless::apiserver::testing::FakeObjects objects_;
  pki::PrivateKey key_;
  SeededRandom random_;
  ServiceAccountOptions options_;
};

constexpr const char* kPodBound =
    R"({"spec":{"expirationSeconds":3607,"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p","uid":"pod-1"}}})";

TEST_F(TokenTest, OfAPodTellsAccountPodAndNode) {
  const auto user = check(token(kPodBound)).value().value().user;
  EXPECT_EQ(user.name, "system:serviceaccount:shop:web");
  EXPECT_EQ(user.uid, "sa-1");
  EXPECT_THAT(user.groups, ElementsAre("system:serviceaccounts", "system:serviceaccounts:shop"));
  EXPECT_THAT(user.extra.at(std::string(kExtraPodName)), ElementsAre("p"));
  EXPECT_THAT(user.extra.at(std::string(kExtraNodeUid)), ElementsAre("node-1"));
}

TEST_F(TokenTest, EndsAtItsTime) {
  const std::string made = token(R"({"spec":{"expirationSeconds":600}})");
  EXPECT_TRUE(check(made));
  simulation_.run_for(600s + kTokenLeeway + 1s);
  EXPECT_EQ(check(made).error().message, "service account token has expired");
}

TEST_F(TokenTest, OfAKubeApiAccessVolumeOutlivesTheTimeItAsksFor) {
  const auto answer = request(kPodBound).value();
  EXPECT_EQ(text_at(answer, {"status", "expirationTimestamp"}), format_rfc3339(clock().wall_now() + 3607s));
  simulation_.run_for(24h);
  EXPECT_TRUE(check(std::string(text_at(answer, {"status", "token"}))));
}

TEST_F(TokenTest, EndsWithWhatItIsBoundTo) {
  const std::string made = token(kPodBound);
  objects_.put({"", "pods"}, R"({"metadata":{"name":"p","namespace":"shop","uid":"pod-2"},
                                "spec":{"serviceAccountName":"web"}})");
  EXPECT_FALSE(check(made));
  objects_.drop({"", "pods"}, "shop", "p");
  EXPECT_EQ(check(made).error().message, "pod has been deleted");
  const std::string unbound = token();
  EXPECT_TRUE(check(unbound));
  objects_.drop({"", "serviceaccounts"}, "shop", "web");
  EXPECT_EQ(check(unbound).error().code, Code::kUnauthenticated);
}

TEST_F(TokenTest, IsForItsAudiencesAlone) {
  const std::string vault = token(R"({"spec":{"audiences":["vault"]}})");
  EXPECT_FALSE(check(vault));
  EXPECT_THAT(check(vault, {"vault", "x"}).value().value().audiences, ElementsAre("vault"));
}

TEST_F(TokenTest, OfAnotherKeyOrIssuerIsRefused) {
  const auto other = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value();
  const pki::Jws jws = pki::parse_jws(token()).value();
  EXPECT_FALSE(check(pki::sign_jws(other, pki::key_id(key_.public_key()), jws.payload).value()));
  EXPECT_EQ(check(pki::sign_jws(key_, "", R"({"iss":"https://elsewhere","sub":"x"})").value()).value(),
            std::nullopt);
  EXPECT_EQ(check("abcdef.0123456789abcdef").value(), std::nullopt);
  EXPECT_FALSE(check(pki::sign_jws(key_, "", "{\"iss\":\"" + std::string(kIssuer) + "\"}").value()));
}

TEST_F(TokenTest, RequestsOutsideTheBoundsAreInvalid) {
  EXPECT_EQ(request(R"({"spec":{"expirationSeconds":10}})").error().message,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 10: "
            "may not "
            "specify a duration less than 10 minutes");
  EXPECT_EQ(request(R"({"spec":{"expirationSeconds":4294967297}})").error().code, 422);
  EXPECT_EQ(
      request(R"({"spec":{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"gone"}}})").error().code,
      404);
  EXPECT_EQ(request(R"({"spec":{"boundObjectRef":{"kind":"Job","apiVersion":"batch/v1","name":"p"}}})")
                .error()
                .code,
            400);
  EXPECT_EQ(request(R"({"spec":{"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p","uid":"x"}}})")
                .error()
                .code,
            409);
}

TEST_F(TokenTest, OfASecretHoldsWhileTheSecretHasIt) {
  const std::string made = legacy_token(key_, "shop", "web-token", {"web", "sa-1"}).value();
  EXPECT_FALSE(check(made));
  objects_.put({"", "secrets"}, json::object{{"metadata", {{"name", "web-token"}, {"namespace", "shop"}}},
                                             {"data", {{"token", base64_encode(made)}}}});
  EXPECT_EQ(check(made).value().value().user.name, "system:serviceaccount:shop:web");
  const ObjectPtr used = objects_.peek({"", "secrets"}, "shop", "web-token");
  EXPECT_EQ(text_at(*used, {"metadata", "labels", "kubernetes.io/legacy-token-last-used"}),
            format_rfc3339(clock().wall_now()).substr(0, 10));
  ASSERT_TRUE(check(made));
  EXPECT_EQ(objects_.peek({"", "secrets"}, "shop", "web-token"), used) << "once a day is enough";
  json::object marked = *used;
  make_object(marked, {"metadata", "labels"})["kubernetes.io/legacy-token-invalid-since"] = "2020-01-01";
  objects_.put({"", "secrets"}, std::move(marked));
  EXPECT_THAT(check(made).error().message, HasSubstr("web-token for service account shop/web has been marked "
                                                     "invalid"));
  objects_.put({"", "secrets"},
               R"({"metadata":{"name":"web-token","namespace":"shop"},"data":{"token":"eA=="}})");
  EXPECT_FALSE(check(made));
}

TEST_F(TokenTest, ReviewTellsWhoHoldsIt) {
  auto authenticator = std::make_shared<ServiceAccountAuthenticator>(options_, objects_, clock());
  TokenReview review(authenticator, {kIssuer});
  const UserInfo admin{.name = "admin"};
  const auto ask = [&](const std::string& token) {
    return simulation_.run(review.create({admin, "", ""}, {{"spec", {{"token", token}}}})).value().value();
  };
  const json::object good = ask(token());
  EXPECT_TRUE(truth_at(good, {"status", "authenticated"}));
  EXPECT_EQ(text_at(good, {"status", "user", "username"}), "system:serviceaccount:shop:web");
  const json::object bad = ask("nonsense");
  EXPECT_FALSE(truth_at(bad, {"status", "authenticated"}));
  EXPECT_THAT(std::string(text_at(bad, {"status", "error"})), HasSubstr("invalid bearer token"));
}

TEST_F(TokenTest, KeysAndDiscoveryArePublished) {
  const json::value keys = json::parse(jwks_document(options_.keys));
  EXPECT_EQ(keys.at("keys").at(0).at("kid").as_string(), pki::key_id(key_.public_key()));
  const json::value document = json::parse(openid_configuration(options_).value());
  EXPECT_EQ(document.at("jwks_uri").as_string(), std::string(kIssuer) + "/openid/v1/jwks");
}

class BootstrapTokenTest : public TokenTest {
 protected:
  void put(std::string_view extra = "", std::string_view auth = "true") {
    json::object data{{"token-id", base64_encode("abcdef")},
                      {"token-secret", base64_encode("0123456789abcdef")},
                      {"usage-bootstrap-authentication", base64_encode(auth)},
                      {"expiration", base64_encode(format_rfc3339(clock().wall_now() + 1h))}};
    if (!extra.empty()) data["auth-extra-groups"] = base64_encode(extra);
    objects_.put(
        {"", "secrets"},
        json::object{{"metadata", {{"name", "bootstrap-token-abcdef"}, {"namespace", "kube-system"}}},
                     {"type", "bootstrap.kubernetes.io/token"},
                     {"data", data}});
  }
  Result<std::optional<TokenUser>> ask(std::string_view token) {
    BootstrapTokenAuthenticator authenticator(objects_, clock());
    return simulation_.run(authenticator.authenticate_token(token, {})).value();
  }
};

TEST_F(BootstrapTokenTest, LetsItsHolderIn) {
  put("system:bootstrappers:kubeadm:default-node-token");
  const auto user = ask("abcdef.0123456789abcdef").value().value().user;
  EXPECT_EQ(user.name, "system:bootstrap:abcdef");
  EXPECT_THAT(user.groups,
              ElementsAre("system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"));
}

TEST_F(BootstrapTokenTest, IsRefusedWithAWrongSecretAfterItsTimeOrForOtherUses) {
  put();
  EXPECT_FALSE(ask("abcdef.0123456789abcdeX").value());
  EXPECT_FALSE(ask("abcdef.0123456789abcdee"));
  EXPECT_FALSE(ask("zzzzzz.0123456789abcdef").value());
  put("", "false");
  EXPECT_FALSE(ask("abcdef.0123456789abcdef"));
  put("system:masters");
  EXPECT_FALSE(ask("abcdef.0123456789abcdef"));
  put();
  simulation_.run_for(2h);
  EXPECT_FALSE(ask("abcdef.0123456789abcdef"));
}

TEST(Certificates, NameUserAndGroups) {
  runtime::Simulation simulation;
  const WallTime now = SystemClock().wall_now();
  const auto ca = pki::make_ca(pki::KeyType::kEcdsaP256, "kubernetes", now, 1h).value();
  const auto key = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value();
  const auto certificate =
      pki::issue(ca, {.subject = {"jane", {"dev"}}, .not_before = now, .not_after = now + 1h},
                 key.public_key())
          .value();
  net::Request request;
  const SystemClock clock;
  CertificateAuthenticator authenticator(clock);
  EXPECT_FALSE(simulation.run(authenticator.authenticate(request)).value().value());
  request.peer.certificates = {certificate.der()};
  const UserInfo user = simulation.run(authenticator.authenticate(request)).value().value().value();
  EXPECT_EQ(user.name, "jane");
  EXPECT_THAT(user.groups, ElementsAre("dev", "system:authenticated"));
  request.peer.certificates = {"nonsense"};
  EXPECT_FALSE(simulation.run(authenticator.authenticate(request)).value());
}

class FakeAuthorizer final : public Authorizer {
 public:
  runtime::Task<Decision> authorize(const Attributes& attributes) override {
    asked.push_back(attributes.resource +
                    (attributes.subresource.empty() ? "" : "/" + attributes.subresource) + "=" +
                    attributes.name);
    co_return Decision{attributes.name == "forbidden" ? Decision::Kind::kNoOpinion : Decision::Kind::kAllow,
                       ""};
  }
  std::vector<std::string> asked;
};

TEST(Impersonation, ChecksEveryPartAndReplacesTheUser) {
  runtime::Simulation simulation;
  FakeAuthorizer authorizer;
  HeaderImpersonator impersonator(authorizer);
  const UserInfo admin{.name = "admin"};
  const auto run = [&](const net::Headers& headers) {
    return simulation.run(impersonator.impersonate(headers, admin)).value();
  };
  EXPECT_EQ(run({})->name, "admin");
  const UserInfo jane =
      run({{"Impersonate-User", "jane"}, {"Impersonate-Group", "dev"}, {"Impersonate-Extra-Scopes", "view"}})
          .value();
  EXPECT_EQ(jane.name, "jane");
  EXPECT_THAT(jane.groups, ElementsAre("dev", "system:authenticated"));
  EXPECT_THAT(authorizer.asked, ElementsAre("users=jane", "groups=dev", "userextras/scopes=view"));
  EXPECT_THAT(run({{"Impersonate-User", "system:serviceaccount:a:b"}})->groups,
              ElementsAre("system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"));
  EXPECT_EQ(run({{"Impersonate-User", "forbidden"}}).error().message,
            "users \"forbidden\" is forbidden: User \"admin\" cannot impersonate resource \"users\" in API "
            "group \"\" "
            "at the cluster scope");
  EXPECT_EQ(run({{"Impersonate-Group", "dev"}}).error().code, 500);
}

TEST(Bearer, IsReadFromTheHeaderOrTheWebSocketProtocol) {
  EXPECT_EQ(bearer_token({{"Authorization", "Bearer abc"}}), "abc");
  EXPECT_EQ(bearer_token({{"Authorization", "bearer  abc "}}), "abc");
  EXPECT_EQ(bearer_token({{"Authorization", "Basic abc"}}), std::nullopt);
  EXPECT_EQ(bearer_token({{"Sec-WebSocket-Protocol",
                           "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj"}}),
            "abc");
}

}  // namespace
}  // namespace cloudless::apiserver::authn
