#include "dns/server.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "dns/tcp_frame.hpp"
#include "dns/testing/decode.hpp"
#include "dns/zone_text.hpp"
#include "runtime/timer.hpp"

namespace cloudless::dns {
namespace {

using namespace std::chrono_literals;
using runtime::Task;

constexpr Duration kPatience = 60s;
const net::SocketAddress kLoopback{net::IpAddress::v4(0x7f000001), 0};

std::shared_ptr<const Zones> zones_of(std::string_view text, std::string_view apex) {
  auto zones = std::make_shared<Zones>();
  zones->for_cluster = ZoneSet({parse_zone(text, Name::parse(apex).value()).value()});
  zones->for_anybody = zones->for_cluster;
  return zones;
}

Query query_for(std::string_view name) { return {.name = Name::parse(name).value(), .type = 1}; }

Task<Result<std::string>> ask_udp(runtime::EventLoop& loop, net::SocketAddress server, std::string packet) {
  net::UdpSocket socket = CO_TRY(net::UdpSocket::bind(loop, kLoopback));
  CO_TRY(co_await socket.send({.peer = server, .payload = std::move(packet)}));
  co_return CO_TRY(co_await runtime::with_timeout(kPatience, "the answer", socket.receive())).payload;
}

Task<Result<std::string>> ask_tcp(net::SocketAddress server, std::string packet) {
  const auto stream = CO_TRY(co_await net::connect_tcp(server));
  CO_TRY(co_await write_frame(*stream, packet));
  co_return co_await runtime::with_timeout(kPatience, "the answer", read_frame(*stream));
}

constexpr std::string_view kZone =
    "$TTL 60\n@ SOA a b 1 2 3 4 5\nwww A 192.0.2.1\n$GENERATE 1-99 many A 192.0.2.$\n";

struct Answers {
  std::string udp;
  std::string tcp;
  std::string broken;
  std::string many_udp;
  std::string many_tcp;
};

Task<Answers> ask_server(runtime::EventLoop& loop) {
  metrics::Registry registry;
  Server server(loop, {.listen = {kLoopback}}, nullptr, registry, Logger());
  EXPECT_TRUE(server.start());
  server.set_zones(zones_of(kZone, "x"));
  const net::SocketAddress address = server.addresses()[0];
  Answers answers;
  answers.udp = (co_await ask_udp(loop, address, upstream_packet(query_for("www.x"), 9))).value();
  answers.tcp = (co_await ask_tcp(address, upstream_packet(query_for("www.x"), 9))).value();
  answers.broken =
      (co_await ask_udp(loop, address, upstream_packet(query_for("www.x"), 9).substr(0, 14))).value();
  answers.many_udp = (co_await ask_udp(loop, address, upstream_packet(query_for("many.x"), 9))).value();
  answers.many_tcp = (co_await ask_tcp(address, upstream_packet(query_for("many.x"), 9))).value();
  co_await server.stop();
  co_return answers;
}

TEST(Server, AnswersOverUdpAndTcp) {
  runtime::LoopThread thread("dns");
  const Answers answers = run_blocking(thread.loop(), ask_server(thread.loop()));
  EXPECT_EQ(testing::decode(answers.udp), "NOERROR aa\nan www.x. 60 A 192.0.2.1\n");
  EXPECT_EQ(answers.tcp, answers.udp);
  EXPECT_EQ(testing::decode(answers.broken), "FORMERR\n");
  EXPECT_EQ(testing::decode(answers.many_udp), "NOERROR aa tc\n");
  EXPECT_EQ(std::ranges::count(testing::decode(answers.many_tcp), '\n'), 100);
}

Task<std::vector<std::string>> ask_through_forwarder(runtime::EventLoop& loop) {
  metrics::Registry registry;
  SeededRandom random(1);
  Server upstream(loop, {.listen = {kLoopback}}, nullptr, registry, Logger());
  EXPECT_TRUE(upstream.start());
  upstream.set_zones(zones_of(kZone, "x"));
  net::UdpSocket silent = net::UdpSocket::bind(loop, kLoopback).value();
  Forwarder forwarder(loop,
                      {.upstreams = {silent.address(), upstream.addresses()[0]}, .attempt_limit = 300ms},
                      random, Logger());
  Server server(loop, {.listen = {kLoopback}}, &forwarder, registry, Logger());
  EXPECT_TRUE(server.start());
  server.set_zones(zones_of("$TTL 60\n@ SOA a b 1 2 3 4 5\nhere A 192.0.2.9\n", "own"));
  std::vector<std::string> answers;
  const net::SocketAddress address = server.addresses()[0];
  for (const char* name : {"www.x", "here.own", "www.other"}) {
    answers.push_back((co_await ask_udp(loop, address, upstream_packet(query_for(name), 5))).value());
  }
  co_await upstream.stop();
  answers.push_back((co_await ask_udp(loop, address, upstream_packet(query_for("WWW.x"), 6))).value());
  answers.push_back((co_await ask_udp(loop, address, upstream_packet(query_for("gone.x"), 6))).value());
  co_await server.stop();
  co_return answers;
}

TEST(Server, ForwardsWhatItDoesNotHoldPastASilentUpstreamAndRemembersIt) {
  runtime::LoopThread thread("dns");
  const auto answers = run_blocking(thread.loop(), ask_through_forwarder(thread.loop()));
  EXPECT_EQ(testing::decode(answers[0]), "NOERROR aa\nan www.x. 60 A 192.0.2.1\n");
  EXPECT_EQ(testing::decode(answers[1]), "NOERROR aa\nan here.own. 60 A 192.0.2.9\n");
  EXPECT_EQ(testing::decode(answers[2]), "REFUSED\n");
  EXPECT_EQ(testing::decode(answers[3]), "NOERROR aa\nan WWW.x. 60 A 192.0.2.1\n");
  EXPECT_EQ(testing::decode(answers[4]), "SERVFAIL ra\n");
}

TEST(ResolvConf, GivesTheNameServersOnly) {
  const auto servers =
      parse_resolv_conf("# c\nsearch a b\nnameserver 192.0.2.53\nnameserver  2001:db8::53 \nnameserver x\n");
  ASSERT_EQ(servers.size(), 2u);
  EXPECT_EQ(servers[1].to_string(), "[2001:db8::53]:53");
}

}  // namespace
}  // namespace cloudless::dns
