// The whole of identity in a running server: who may do what, as clients see it.
#include "apiserver/identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "net/in_process.hpp"
#include "runtime/event_loop.hpp"
#include "store/open.hpp"

namespace cloudless::apiserver {
namespace {

using runtime::Task;
using ::testing::HasSubstr;

constexpr size_t kMaxAnswerBytes = size_t{16} << 20;

struct Answer {
  int status = 0;
  std::string body;

  boost::json::value json() const { return boost::json::parse(body); }
};

Task<Answer> send(net::Transport& transport, net::Request request) {
  auto response = co_await transport.send(std::move(request));
  if (!response) co_return Answer{0, response.error().message};
  auto body = co_await net::read_all(*response->body, kMaxAnswerBytes);
  co_return Answer{response->status, body ? *body : body.error().message};
}

class IdentityTest : public ::testing::Test {
 public:
  ~IdentityTest() override { run(server_.stop()); }

 protected:
  IdentityTest()
      : thread_("identity-test"),
        store_(store::open_store({.endpoint = "memory://"}, clock_, random_, Logger()).value()),
        server_({}, *store_, thread_.loop(), nullptr, clock_, random_, metrics_, Logger()),
        identity_({.signing_key = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value()},
                  server_.objects(), clock_, random_, Logger()) {
    server_.set_pipeline(identity_.pipeline());
    const auto started = run(server_.start());
    EXPECT_TRUE(started) << started.error().message;
    const auto done = run(identity_.bootstrap());
    EXPECT_TRUE(done) << done.error().message;
  }

  template <class T>
  T run(Task<T> task) {
    return runtime::run_blocking(thread_.loop(), std::move(task));
  }
  struct As {
    std::string user = "admin";
    std::vector<std::string> groups = {"system:masters"};
    std::string token;
  };
  Answer call(const As& who, std::string method, std::string target, std::string body = "") {
    net::InProcessTransport transport(thread_.loop(), server_.handler(), who.user, who.groups, Logger());
    net::Request request{.method = std::move(method), .target = std::move(target)};
    request.headers.add("accept", "application/json");
    if (!who.token.empty()) request.headers.add("authorization", "Bearer " + who.token);
    if (!body.empty()) {
      request.headers.add("content-type", "application/json");
      request.body = net::make_body(std::move(body));
    }
    Answer answer = run(send(transport, std::move(request)));
    run(transport.stop());
    return answer;
  }
  Answer call(std::string method, std::string target, std::string body = "") {
    return call(As{}, std::move(method), std::move(target), std::move(body));
  }

  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry metrics_;
  runtime::LoopThread thread_;
  std::unique_ptr<store::Store> store_;
  ApiServer server_;
  Identity identity_;
};

TEST_F(IdentityTest, StartsWithUpstreamsRolesAndPriorityClasses) {
  EXPECT_EQ(call("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin").status, 200);
  EXPECT_EQ(
      call("GET",
           "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/system:controller:token-cleaner")
          .status,
      200);
  EXPECT_EQ(call("GET", "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical").status, 200);
}

TEST_F(IdentityTest, RefusesWhatNobodyGrantedInUpstreamsWords) {
  const Answer refused = call(As{"jane", {}}, "GET", "/api/v1/namespaces/default/pods");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.json().at("message").as_string(),
            "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the "
            "namespace \"default\"");
  EXPECT_EQ(call("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
                 R"({"metadata":{"name":"b"},"subjects":[{"kind":"User","name":"jane"}],
                     "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"edit"}})")
                .status,
            201);
  EXPECT_EQ(call(As{"jane", {}}, "GET", "/api/v1/namespaces/default/pods").status, 200);
  const Answer escalation = call(As{"jane", {}}, "GET", "/api/v1/nodes");
  EXPECT_EQ(escalation.status, 403);
}

TEST_F(IdentityTest, TokensOfServiceAccountsWorkUntilTheAccountGoes) {
  ASSERT_EQ(
      call("POST", "/api/v1/namespaces/default/serviceaccounts", R"({"metadata":{"name":"web"}})").status,
      201);
  const Answer made = call("POST", "/api/v1/namespaces/default/serviceaccounts/web/token", R"({"spec":{}})");
  ASSERT_EQ(made.status, 201) << made.body;
  const As web{.token = std::string(made.json().at("status").at("token").as_string())};
  const Answer who = call(web, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}");
  ASSERT_EQ(who.status, 201) << who.body;
  EXPECT_EQ(who.json().at("status").at("userInfo").at("username").as_string(),
            "system:serviceaccount:default:web");
  EXPECT_EQ(call(web, "GET", "/api/v1/namespaces/default/pods").status, 403);
  ASSERT_EQ(call("DELETE", "/api/v1/namespaces/default/serviceaccounts/web").status, 200);
  const Answer gone = call(web, "GET", "/api/v1/namespaces/default/pods");
  EXPECT_EQ(gone.status, 401);
  EXPECT_EQ(gone.json().at("message").as_string(), "Unauthorized");
}

TEST_F(IdentityTest, PodsArePreparedOnTheirWayIn) {
  ASSERT_EQ(
      call("POST", "/api/v1/namespaces/default/serviceaccounts", R"({"metadata":{"name":"default"}})").status,
      201);
  const Answer made = call("POST", "/api/v1/namespaces/default/pods",
                           R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"x"}]}})");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto spec = made.json().at("spec");
  EXPECT_EQ(spec.at("serviceAccountName").as_string(), "default");
  EXPECT_EQ(spec.at("priority").as_int64(), 0);
  EXPECT_EQ(spec.at("tolerations").as_array().size(), 2u);
  EXPECT_THAT(std::string(spec.at("volumes").at(0).at("name").as_string()), HasSubstr("kube-api-access-"));
  EXPECT_EQ(call("POST", "/api/v1/namespaces/none/configmaps", R"({"metadata":{"name":"c"}})").status, 404);
}

TEST_F(IdentityTest, ReviewsAndDocumentsAnswer) {
  const Answer review = call(As{"jane", {}}, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                             R"({"spec":{"resourceAttributes":{"verb":"list","resource":"pods"}}})");
  ASSERT_EQ(review.status, 201) << review.body;
  EXPECT_FALSE(review.json().at("status").at("allowed").as_bool());
  EXPECT_THAT(call("GET", "/openid/v1/jwks").body, HasSubstr("\"kid\""));
  EXPECT_THAT(call("GET", "/.well-known/openid-configuration").body, HasSubstr("/openid/v1/jwks"));
}

}  // namespace
}  // namespace cloudless::apiserver
