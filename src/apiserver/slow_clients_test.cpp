// Clients that are slow, stop in the middle or vanish, and many that only wait: what each can make the server
// hold is bounded, and nobody else notices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <boost/json.hpp>

#include <thread>

#include "apiserver/json_fields.hpp"
#include "apiserver/registry/watch_cache.hpp"
#include "apiserver/testing/raw_client.hpp"
#include "apiserver/testing/test_server.hpp"
#include "net/http1.hpp"

namespace cloudless::apiserver {
namespace {

using ::testing::HasSubstr;
using testing::RawClient;
using testing::TestResponse;
using testing::TestServer;
using testing::TestServerOptions;
using namespace std::chrono_literals;

constexpr const char* kConfigMaps = "/api/v1/namespaces/default/configmaps";
// Much more than anything here takes: it ends a test that would wait for ever.
constexpr auto kPatience = 120s;
// Of one object. A kernel takes some megabytes for a client that does not read before a write stalls, so each
// write must bring new text: one that changes nothing is no event.
constexpr size_t kLargeBytes = 900 * 1024;

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

std::string map(const std::string& name, const std::string& text) {
  return fmt::format(R"({{"metadata":{{"name":"{}"}},"data":{{"k":"{}"}}}})", name, text);
}

std::string after(const std::string& text, std::string_view mark) {
  const size_t at = text.find(mark);
  return at == std::string::npos ? "" : text.substr(at + mark.size());
}

// The chunks of an answer's body joined; `ended`: its last chunk has come.
std::string dechunk(const std::string& answer, bool& ended) {
  const std::string rest = after(answer, "\r\n\r\n");
  net::http1::ChunkDecoder decoder;
  std::string body;
  for (std::string_view left = rest; !left.empty() && !decoder.done();) {
    const auto step = decoder.decode(left);
    if (!step) break;
    body += step->data;
    left.remove_prefix(step->consumed);
  }
  ended = decoder.done();
  return body;
}

class SlowClients : public ::testing::Test {
 protected:
  void start(net::ServerLimits limits = {}, Duration request_timeout = 60s) {
    TestServerOptions options;
    options.limits = limits;
    options.server.request_timeout = request_timeout;
    server_ = std::make_unique<TestServer>(std::move(options));
    url_ = server_->url();
  }

  void put(const std::string& name, const std::string& text) {
    const std::string path = std::string(kConfigMaps) + "/" + name;
    TestResponse answer = server_->call("PUT", path, map(name, text));
    if (answer.status == 404) answer = server_->call("POST", kConfigMaps, map(name, text));
    ASSERT_LT(answer.status, 300) << answer.body;
  }

  double metric(const std::string& name) {
    const std::string all = server_->call("GET", "/metrics").body;
    const std::string value = after(all, "\n" + name + " ");
    return value.empty() ? 0 : std::stod(value);
  }
  double watches() {
    return metric(
        R"(apiserver_longrunning_requests{verb="watch",group="",version="v1",resource="configmaps",subresource=""})");
  }
  double terminated() {
    return metric(R"(apiserver_terminated_watchers_total{group="",resource="configmaps"})");
  }

  std::string revision() {
    return std::string(text_at(json::parse(server_->call("GET", kConfigMaps).body).as_object(),
                               {"metadata", "resourceVersion"}));
  }

  std::unique_ptr<TestServer> server_;
  std::string url_;
};

TEST_F(SlowClients, AWatcherThatNeverReadsIsEndedAndOthersMissNothing) {
  start({.write_stall_timeout = 1h});
  const std::string target = std::string(kConfigMaps) + "?watch=true&resourceVersion=" + revision();
  RawClient slow(url_);
  slow.get(target);
  RawClient quick(url_);
  quick.get(target);
  ASSERT_TRUE(eventually([&] { return watches() == 2; }));

  // Enough to fill what lies between, and the queue behind it.
  constexpr int kWrites = static_cast<int>((kWatcherQueueBytes + (size_t{16} << 20)) / kLargeBytes);
  const std::string text(kLargeBytes, 'x');
  size_t quick_events = 0;
  std::thread reader([&] {
    bool ended = false;
    const std::string last = fmt::format("\"n-{}-", kWrites - 1);
    const std::string heard = quick.receive([&](const std::string& so_far) {
      const size_t tail = so_far.size() > 2 * kLargeBytes ? so_far.size() - 2 * kLargeBytes : 0;
      return so_far.ends_with("\r\n") && so_far.find(last, tail) != std::string::npos;
    });
    const std::string body = dechunk(heard, ended);
    quick_events = static_cast<size_t>(std::ranges::count(body, '\n'));
  });
  for (int i = 0; i < kWrites; ++i) put("busy", fmt::format("n-{}-{}", i, text));
  reader.join();
  EXPECT_EQ(quick_events, kWrites);

  // It gets what was on its way, in order, and a proper end: it may watch again from what it has seen.
  bool ended = false;
  const std::string body =
      dechunk(slow.receive([](const std::string& heard) { return heard.ends_with("0\r\n\r\n"); }), ended);
  EXPECT_TRUE(ended);
  int next = 0;
  for (size_t at = 0; at < body.size(); ++next) {
    const size_t end = body.find('\n', at);
    EXPECT_LT(body.find(fmt::format("\"n-{}-", next), at), end);
    at = end + 1;
  }
  EXPECT_GT(next, 0);
  EXPECT_LT(next, kWrites);
  EXPECT_EQ(terminated(), 1);
  EXPECT_TRUE(eventually([&] { return watches() == 1; }));

  // Where it was is forgotten by now.
  RawClient again(url_);
  again.get(target);
  EXPECT_THAT(again.receive([](const std::string& heard) { return heard.ends_with("0\r\n\r\n"); }),
              ::testing::AllOf(HasSubstr(R"("type":"ERROR")"), HasSubstr(R"("code":410)"),
                               HasSubstr(R"("reason":"Expired")"), HasSubstr("too old resource version")));
}

TEST_F(SlowClients, AWatcherThatTakesNothingLosesItsConnection) {
  start({.write_stall_timeout = 100ms});
  RawClient slow(url_);
  slow.get(std::string(kConfigMaps) + "?watch=true");
  ASSERT_TRUE(eventually([&] { return watches() == 1; }));
  const std::string text(kLargeBytes, 'x');
  int count = 0;
  EXPECT_TRUE(eventually([&] {
    put("busy", fmt::format("{}-{}", count++, text));
    return watches() == 0;
  }));
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

TEST_F(SlowClients, AClientThatVanishesDuringALargeListIsForgotten) {
  start({.write_stall_timeout = 100ms});
  for (int i = 0; i < 16; ++i) put(fmt::format("m{}", i), std::string(kLargeBytes, 'x'));
  RawClient gone(url_);
  gone.get(kConfigMaps);
  gone.receive([](const std::string& heard) { return heard.size() > kLargeBytes; });
  gone.vanish();
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

TEST_F(SlowClients, ARequestThatComesByteByByteIsServed) {
  start();
  RawClient socket(url_);
  const std::string body = map("slow", "v");
  const std::string request = fmt::format(
      "POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
      "Connection: close\r\n\r\n{}",
      kConfigMaps, body.size(), body);
  for (const char c : request) socket.send(std::string_view(&c, 1));
  EXPECT_THAT(socket.receive(), ::testing::StartsWith("HTTP/1.1 201 Created\r\n"));
  EXPECT_EQ(server_->call("GET", std::string(kConfigMaps) + "/slow").status, 200);
}

TEST_F(SlowClients, AHeadThatStopsInTheMiddleIsTimedOut) {
  start({.header_timeout = 100ms});
  RawClient socket(url_);
  socket.send("GET /api HTTP/1.1\r\nHost: a\r\nAcc");
  EXPECT_THAT(socket.receive(), ::testing::StartsWith("HTTP/1.1 408"));
}

TEST_F(SlowClients, ABodyThatStopsInTheMiddleIsTimedOutAndNothingIsStored) {
  start({}, 100ms);
  for (const char* framing : {"Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1c\r\n"}) {
    RawClient socket(url_);
    socket.send(fmt::format("POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{}{}",
                            kConfigMaps, framing, R"({"metadata":{"name":"half"}})"));
    const std::string answer = socket.receive();
    EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.1 504"));
    EXPECT_THAT(answer, HasSubstr(R"("reason":"Timeout")"));
    EXPECT_THAT(answer, HasSubstr("request did not complete within the allotted timeout"));
  }
  EXPECT_EQ(server_->call("GET", std::string(kConfigMaps) + "/half").status, 404);
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

TEST_F(SlowClients, AThousandIdleWatchesAreHeldAndEachIsTold) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  start();
  constexpr int kWatches = 1000;
  const std::string target = std::string(kConfigMaps) + "?watch=true&resourceVersion=" + revision();
  std::vector<RawClient> sockets;
  for (int i = 0; i < kWatches; ++i) {
    sockets.emplace_back(url_);
    sockets.back().get(target);
  }
  ASSERT_TRUE(eventually([&] { return watches() == kWatches; }));
  EXPECT_EQ(server_->connection_count(), kWatches);
  put("told", "v");
  for (RawClient& socket : sockets) {
    EXPECT_THAT(socket.receive([](const std::string& heard) { return heard.ends_with("}\n\r\n"); }),
                HasSubstr(R"("name":"told")"));
  }
  sockets.clear();
  EXPECT_TRUE(eventually([&] { return watches() == 0 && server_->connection_count() == 0; }));
}

}  // namespace
}  // namespace cloudless::apiserver
