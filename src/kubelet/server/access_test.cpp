#include "kubelet/server/access.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "client/client.hpp"
#include "net/in_process.hpp"
#include "pki/certificate.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::kubelet {
namespace {

namespace json = boost::json;
using runtime::Task;

TEST(NodeAccess, ARequestAsksForTheSubresourceOfItsPath) {
  const struct {
    const char* method;
    const char* path;
    NodeAccess access;
  } cases[] = {
      {"GET", "/pods", {"get", {"pods", "proxy"}}},
      {"GET", "/runningpods/", {"get", {"pods", "proxy"}}},
      {"GET", "/podsandmore", {"get", {"proxy"}}},
      {"GET", "/healthz", {"get", {"healthz", "proxy"}}},
      {"GET", "/configz", {"get", {"configz", "proxy"}}},
      {"GET", "/stats/summary", {"get", {"stats"}}},
      {"GET", "/metrics/cadvisor", {"get", {"metrics"}}},
      {"GET", "/logs/", {"get", {"log"}}},
      {"POST", "/checkpoint/a/b/c", {"create", {"checkpoint"}}},
      {"GET", "/containerLogs/a/b/c", {"get", {"proxy"}}},
      {"POST", "/exec/a/b/c", {"create", {"proxy"}}},
      {"PUT", "/x", {"update", {"proxy"}}},
      {"PATCH", "/", {"patch", {"proxy"}}},
      {"DELETE", "/x", {"delete", {"proxy"}}},
      {"HEAD", "//pods", {"get", {"proxy"}}},
  };
  for (const auto& c : cases) EXPECT_EQ(access_of(c.method, c.path), c.access) << c.method << " " << c.path;
}

TEST(AnswerCache, AnAnswerHoldsForItsTime) {
  AnswerCache<bool> cache;
  const SteadyTime begin;
  cache.add("a", true, begin + std::chrono::seconds(10));
  EXPECT_EQ(cache.find("a", begin + std::chrono::seconds(9)), true);
  EXPECT_EQ(cache.find("a", begin + std::chrono::seconds(10)), std::nullopt);
  EXPECT_EQ(cache.find("b", begin), std::nullopt);
}

TEST(AnswerCache, AtItsBoundWhatEndsFirstMakesRoom) {
  AnswerCache<bool> cache;
  const SteadyTime begin;
  for (size_t i = 0; i <= cache.kMaxEntries; ++i)
    cache.add(std::to_string(i), true, begin + std::chrono::seconds(i + 1));
  EXPECT_EQ(cache.size(), cache.kMaxEntries);
  EXPECT_EQ(cache.find("0", begin), std::nullopt);
  EXPECT_EQ(cache.find(std::to_string(cache.kMaxEntries), begin), true);
}

// An API server that knows one token and lets through what `allowed` has.
struct Reviews {
  std::set<std::string> allowed;  // "user verb subresource"
  std::vector<std::string> asked;
  bool down = false;

  json::object answer(const std::string& path, json::object review) {
    const json::object spec = review["spec"].as_object();
    if (path.ends_with("/tokenreviews")) {
      asked.push_back("token");
      const bool known = spec.at("token") == "good";
      review["status"] = {{"authenticated", known}};
      if (known) review["status"].as_object()["user"] = {{"username", "robot"}, {"groups", {"machines"}}};
      return review;
    }
    const json::object& attributes = spec.at("resourceAttributes").as_object();
    EXPECT_EQ(attributes.at("resource"), "nodes");
    EXPECT_EQ(attributes.at("name"), "node-1");
    const std::string key = fmt::format("{} {} {}", spec.at("user").as_string().c_str(),
                                        attributes.at("verb").as_string().c_str(),
                                        attributes.at("subresource").as_string().c_str());
    asked.push_back(key);
    review["status"] = {{"allowed", allowed.contains(key)}};
    return review;
  }

  net::Handler handler() {
    return [this](net::Request request, net::ResponseWriter& response) {
      return serve(*this, std::move(request), response);
    };
  }
  static Task<void> serve(Reviews& self, net::Request request, net::ResponseWriter& response) {
    const std::string path(request.path());
    const auto body = co_await net::read_all(*request.body, 1 << 20);
    if (self.down || !body) {
      (void)co_await response.respond(503, {}, {});
      co_return;
    }
    const json::object answered = self.answer(path, json::parse(*body).as_object());
    (void)co_await response.respond(201, {{"Content-Type", "application/json"}},
                                    {share(json::serialize(answered))});
  }
};

net::Request request_of(std::string target) {
  net::Request request;
  request.target = std::move(target);
  return request;
}

net::Request with_token(net::Request request, const std::string& token) {
  request.headers.add("Authorization", "Bearer " + token);
  return request;
}

class Guarded : public ::testing::Test {
 protected:
  runtime::Simulation simulation_{1};
  Reviews reviews_;
  net::InProcessTransport transport_{simulation_, reviews_.handler(), "system:node:node-1", {}, Logger()};
  client::Client client_{transport_};
  AccessGuard guard_{&client_, "node-1", simulation_.clock(), Logger()};

  // The status that the request is refused with; 200 where it may go on.
  int check(const net::Request& request, std::string* message = nullptr) {
    const auto refusal = simulation_.run(guard_.check(request)).value();
    if (refusal && message) *message = refusal->message;
    return refusal ? refusal->status : 200;
  }
  void TearDown() override { EXPECT_TRUE(simulation_.run(transport_.stop()).has_value()); }
};

TEST_F(Guarded, WhoCannotBeToldIsRefused) {
  EXPECT_EQ(check(request_of("/healthz")), 401);
  EXPECT_EQ(check(with_token(request_of("/pods"), "bad")), 401);
  EXPECT_EQ(check(with_token(request_of("/pods"), "")), 401);
  EXPECT_EQ(reviews_.asked, std::vector<std::string>{"token"});
}

TEST_F(Guarded, ThisProcessIsLetIn) {
  net::Request request = request_of("/exec/a/b/c");
  request.peer.in_process_user = "kubelet-test";
  EXPECT_EQ(check(request), 200);
}

TEST_F(Guarded, ATokensUserMayWhatTheApiServerSays) {
  reviews_.allowed = {"robot get metrics", "robot get proxy"};
  EXPECT_EQ(check(with_token(request_of("/metrics"), "good")), 200);
  EXPECT_EQ(check(with_token(request_of("/pods"), "good")), 200);  // by proxy, which stands for all
  std::string message;
  EXPECT_EQ(check(with_token(request_of("/stats/summary"), "good"), &message), 403);
  EXPECT_EQ(message, "Forbidden (user=robot, verb=get, resource=nodes, subresource(s)=[stats])\n");
  EXPECT_EQ(reviews_.asked, (std::vector<std::string>{"token", "robot get metrics", "robot get pods",
                                                      "robot get proxy", "robot get stats"}));
}

TEST_F(Guarded, ACertificatesUserIsItsCommonName) {
  const auto key = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value();
  const WallTime now = simulation_.clock().wall_now();
  const auto certificate = pki::self_sign({.subject = {"jane", {"developers"}},
                                           .alt_names = {},
                                           .usages = {"client auth"},
                                           .not_before = now,
                                           .not_after = now + std::chrono::hours(1)},
                                          key);
  ASSERT_TRUE(certificate.has_value());
  EXPECT_EQ(caller_of_certificate(certificate->der())->groups,
            (std::vector<std::string>{"developers", "system:authenticated"}));
  net::Request request = request_of("/containerLogs/a/b/c");
  request.peer.certificates = {certificate->der()};
  EXPECT_EQ(check(request), 403);
  reviews_.allowed = {"jane get proxy"};
  simulation_.run_for(AccessGuard::kRefusedTtl);
  EXPECT_EQ(check(request), 200);
}

TEST_F(Guarded, DecisionsAreKeptForTheirTimes) {
  reviews_.allowed = {"robot get metrics"};
  const auto asked_by = [&](const char* path) {
    reviews_.asked.clear();
    check(with_token(request_of(path), "good"));
    return std::ranges::count_if(reviews_.asked, [](const std::string& text) { return text != "token"; });
  };
  EXPECT_EQ(asked_by("/metrics"), 1);
  EXPECT_EQ(asked_by("/stats"), 1);
  simulation_.run_for(AccessGuard::kRefusedTtl - std::chrono::seconds(1));
  EXPECT_EQ(asked_by("/stats"), 0);
  simulation_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(asked_by("/stats"), 1);
  EXPECT_EQ(asked_by("/metrics"), 0);
  simulation_.run_for(AccessGuard::kAllowedTtl);
  EXPECT_EQ(asked_by("/metrics"), 1);
}

TEST_F(Guarded, WithoutTheApiServerWhatWasAllowedGoesOnAndNothingElse) {
  reviews_.allowed = {"robot get metrics"};
  EXPECT_EQ(check(with_token(request_of("/metrics"), "good")), 200);
  reviews_.down = true;
  EXPECT_EQ(check(with_token(request_of("/metrics"), "good")), 200);
  std::string message;
  EXPECT_EQ(check(with_token(request_of("/exec/a/b/c"), "good"), &message), 500);
  EXPECT_EQ(message, "Authorization error (user=robot, verb=get, resource=nodes, subresource(s)=[proxy])\n");
  EXPECT_EQ(check(with_token(request_of("/metrics"), "other")), 401);
}

TEST_F(Guarded, WithoutAClientOnlyThisProcessGetsIn) {
  AccessGuard alone(nullptr, "node-1", simulation_.clock(), Logger());
  const net::Request request = with_token(request_of("/pods"), "good");
  const auto refusal = simulation_.run(alone.check(request)).value();
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->status, 401);
}

}  // namespace
}  // namespace cloudless::kubelet
