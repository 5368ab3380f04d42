// Datagrams on loopback; netlink, namespaces and packet sockets in namespaces of their own (as root).
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "net/netlink.hpp"
#include "net/netns.hpp"
#include "net/raw_socket.hpp"
#include "net/tcp.hpp"
#include "net/udp_batch.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {
namespace {

using runtime::Task;
using namespace std::chrono_literals;

constexpr Duration kPatience = 60s;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

TEST(Address, AddressesAreParsedAndWrittenCanonically) {
  EXPECT_EQ(ip("192.0.2.1").to_string(), "192.0.2.1");
  EXPECT_EQ(ip("2001:DB8:0:0::1").to_string(), "2001:db8::1");
  EXPECT_EQ(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
  for (const char* bad : {"", "1.2.3", "1.2.3.256", "1.2.3.4 ", "::g", "fe80::1%eth0", "[::1]"}) {
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  }
}

TEST(Address, APrefixContainsItsNetworkAlone) {
  const Prefix prefix = *Prefix::parse("10.244.3.7/22");
  EXPECT_EQ(prefix.masked().to_string(), "10.244.0.0/22");
  EXPECT_TRUE(prefix.contains(ip("10.244.3.255")));
  EXPECT_FALSE(prefix.contains(ip("10.244.4.0")));
  EXPECT_FALSE(prefix.contains(ip("::1")));
  EXPECT_TRUE(Prefix::parse("0.0.0.0/0")->contains(ip("203.0.113.9")));
  EXPECT_TRUE(prefix.overlaps(*Prefix::parse("10.0.0.0/8")));
  EXPECT_FALSE(Prefix::parse("10.0.0.0/33"));
}

TEST(Address, AddingCarriesOverBytes) {
  EXPECT_EQ(ip("10.0.0.255").plus(1), ip("10.0.1.0"));
  EXPECT_EQ(ip("255.255.255.255").plus(1), ip("0.0.0.0"));
  EXPECT_EQ(ip("2001:db8::ffff:ffff").plus(2), ip("2001:db8::1:0:1"));
}

TEST(Address, HostAndPortComeApartAndTogether) {
  EXPECT_EQ(split_host_port("[::1]:53")->first, "::1");
  EXPECT_EQ(split_host_port("localhost:6443")->second, 6443);
  EXPECT_FALSE(split_host_port("::1:53"));
  EXPECT_FALSE(split_host_port("host"));
  EXPECT_EQ(join_host_port("::1", 53), "[::1]:53");
}

Task<Result<Datagram>> ask_and_answer(runtime::EventLoop& loop, IpAddress server_address) {
  UdpSocket server = CO_TRY(UdpSocket::bind(loop, {server_address, 0}));
  UdpSocket client = CO_TRY(UdpSocket::bind(loop, {ip("127.0.0.1"), 0}));
  Datagram question;
  question.peer = {ip("127.0.0.2"), server.address().port};
  question.payload = "who is there?";
  CO_TRY(co_await client.send(question));
  Datagram asked = CO_TRY(co_await server.receive());
  if (asked.payload != question.payload) co_return fail(Code::kInternal, "got {}", asked.payload);
  CO_TRY(co_await server.send({asked.peer, asked.local, 0, "me"}));
  co_return co_await client.receive();
}

TEST(UdpSocket, AnAnswerLeavesFromTheAddressThatWasAsked) {
  runtime::LoopThread loop("udp");
  const auto answer = runtime::run_blocking(
      loop.loop(), runtime::with_timeout(kPatience, "udp", ask_and_answer(loop.loop(), ip("0.0.0.0"))));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->payload, "me");
  EXPECT_EQ(answer->peer.address, ip("127.0.0.2"));
}

Task<Result<std::string>> echo_once(runtime::EventLoop& loop) {
  TcpListener listener = CO_TRY(TcpListener::listen(loop, {ip("127.0.0.1"), 0}));
  auto client = CO_TRY(co_await connect_tcp(listener.address()));
  auto server = CO_TRY(co_await listener.accept());
  CO_TRY(co_await client->write("ping"));
  CO_TRY(co_await client->close_write());
  std::string heard;
  for (;;) {
    const std::string piece = CO_TRY(co_await server->read(2));
    if (piece.empty()) break;
    heard += piece;
  }
  co_return heard;
}

TEST(TcpListener, BytesAndTheEndArrive) {
  runtime::LoopThread loop("tcp");
  const auto heard =
      runtime::run_blocking(loop.loop(), runtime::with_timeout(kPatience, "tcp", echo_once(loop.loop())));
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_EQ(*heard, "ping");
}

Task<Result<std::unique_ptr<Stream>>> connect_to_closed_port(runtime::EventLoop& loop) {
  SocketAddress address;
  {
    const TcpListener listener = CO_TRY(TcpListener::listen(loop, {ip("127.0.0.1"), 0}));
    address = listener.address();
  }
  co_return co_await connect_tcp(address);
}

TEST(TcpListener, AClosedPortRefuses) {
  runtime::LoopThread loop("tcp");
  const auto refused = runtime::run_blocking(loop.loop(), connect_to_closed_port(loop.loop()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_NE(refused.error().message.find("Connection refused"), std::string::npos);
}

// Two namespaces that go with the test.
class Namespaces : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    for (const std::string& path : {a_, b_}) {
      const Result<> made = make_netns(path);
      ASSERT_TRUE(made) << made.error().message;
    }
  }
  void TearDown() override {
    for (const std::string& path : {a_, b_}) EXPECT_TRUE(remove_netns(path));
  }

  const std::string a_ = fmt::format("/var/run/netns/cl-net-a-{}", ::getpid());
  const std::string b_ = fmt::format("/var/run/netns/cl-net-b-{}", ::getpid());
};

TEST_F(Namespaces, AVethJoinsTwoNamespaces) {
  Netlink a = *Netlink::open_in(a_);
  Netlink b = *Netlink::open_in(b_);
  const Result<> added = a.add_veth("left", "right", 1400, b_);
  ASSERT_TRUE(added) << added.error().message;
  const Link left = *a.link("left");
  const Link right = *b.link("right");
  EXPECT_EQ(left.kind, "veth");
  EXPECT_EQ(right.mtu, 1400u);
  EXPECT_FALSE(a.link("right"));
  EXPECT_EQ(a.link("right").error().code, Code::kNotFound);
  EXPECT_EQ(a.add_veth("left", "other", 1400).error().code, Code::kAlreadyExists);

  ASSERT_TRUE(a.set_admin(left.index, Netlink::Admin::kUp));
  ASSERT_TRUE(b.set_admin(right.index, Netlink::Admin::kUp));
  EXPECT_TRUE(a.link("left")->up());
  ASSERT_TRUE(a.set_admin(left.index, Netlink::Admin::kDown));
  ASSERT_TRUE(a.rename(left.index, "renamed"));
  EXPECT_EQ(a.link("renamed")->index, left.index);
  EXPECT_TRUE(a.delete_link(left.index));
  EXPECT_TRUE(a.delete_link(left.index));
  EXPECT_FALSE(b.link("right"));
}

TEST_F(Namespaces, AddressesRoutesNeighboursAndRulesComeAndGo) {
  Netlink netlink = *Netlink::open_in(a_);
  ASSERT_TRUE(netlink.add_bridge("bridge0"));
  const uint32_t index = netlink.link("bridge0")->index;
  ASSERT_TRUE(netlink.set_admin(index, Netlink::Admin::kUp));
  const InterfaceAddress address{index, *Prefix::parse("10.244.1.1/24"), 0, 0};
  for (int twice = 0; twice < 2; ++twice) {
    const Result<> ensured = netlink.ensure_address(address);
    ASSERT_TRUE(ensured) << ensured.error().message;
  }
  const auto addresses = *netlink.addresses();
  EXPECT_TRUE(std::ranges::any_of(addresses, [&](const auto& a) { return a.prefix == address.prefix; }));

  Route route;
  route.destination = *Prefix::parse("10.244.2.0/24");
  route.gateway = ip("10.244.1.9");
  route.interface_index = index;
  route.table = 100'000;
  route.protocol = 77;
  for (int twice = 0; twice < 2; ++twice) {
    const Result<> put = netlink.put_route(route);
    ASSERT_TRUE(put) << put.error().message;
  }
  const auto routes = *netlink.routes();
  EXPECT_EQ(std::ranges::count(routes, route), 1);
  EXPECT_TRUE(netlink.remove_route(route));
  EXPECT_TRUE(netlink.remove_route(route));

  const Neighbour neighbour{index, ip("10.244.1.9"), {2, 0, 0, 0, 0, 9}, 0x80, false};
  ASSERT_TRUE(netlink.put_neighbour(neighbour));
  EXPECT_EQ(std::ranges::count(*netlink.neighbours(), neighbour), 1);
  ASSERT_TRUE(netlink.remove_neighbour(neighbour));

  Rule rule;
  rule.priority = 500;
  rule.table = 100'000;
  rule.from = *Prefix::parse("10.244.0.0/16");
  for (int twice = 0; twice < 2; ++twice) ASSERT_TRUE(netlink.ensure_rule(rule));
  EXPECT_EQ(std::ranges::count(*netlink.rules(), rule), 1);
  for (int twice = 0; twice < 2; ++twice) ASSERT_TRUE(netlink.remove_rule(rule));
  EXPECT_TRUE(netlink.remove_address(address));
  EXPECT_TRUE(netlink.remove_address(address));
}

TEST_F(Namespaces, AVxlanHasForwardingEntries) {
  Netlink netlink = *Netlink::open_in(a_);
  VxlanOptions options;
  options.name = "vx0";
  options.id = 42;
  options.mtu = 1450;
  const Result<> added = netlink.add_vxlan(options);
  if (!added && added.error().message.contains("not supported")) GTEST_SKIP() << "no vxlan in this kernel";
  ASSERT_TRUE(added) << added.error().message;
  const Link link = *netlink.link("vx0");
  EXPECT_EQ(link.kind, "vxlan");
  EXPECT_EQ(link.vxlan_id, 42u);
  const Neighbour entry{link.index, ip("192.0.2.7"), {2, 0, 0, 0, 0, 7}, 0x80, true};
  const Result<> put = netlink.put_neighbour(entry);
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(std::ranges::count(*netlink.forwarding_entries(), entry), 1);
  EXPECT_TRUE(netlink.remove_neighbour(entry));
}

Task<Result<NetlinkChanges>> next_change(NetlinkMonitor& monitor) { co_return co_await monitor.next(); }

TEST_F(Namespaces, AMonitorTellsOfANewLink) {
  runtime::LoopThread loop("monitor");
  std::optional<NetlinkMonitor> monitor;
  ASSERT_TRUE(run_in_netns(a_, [&]() -> Result<> {
    monitor = TRY(NetlinkMonitor::open(loop.loop(), {.links = true}));
    return {};
  }));
  ASSERT_TRUE(Netlink::open_in(a_)->add_bridge("bridge0"));
  const auto changes =
      runtime::run_blocking(loop.loop(), runtime::with_timeout(kPatience, "monitor", next_change(*monitor)));
  ASSERT_TRUE(changes) << changes.error().message;
  EXPECT_TRUE(changes->links);
  EXPECT_FALSE(changes->routes);
}

// Only frames whose first payload byte is 'y' pass: load the byte after the Ethernet header, compare, return.
const std::vector<BpfInstruction> kOnlyYes = {
    {0x30, 0, 0, 14}, {0x15, 0, 1, 'y'}, {0x06, 0, 0, 0xffff}, {0x06, 0, 0, 0}};

// A link that was set up drops frames until the kernel has seen its carrier.
Task<Result<>> until_running(Netlink& netlink, NetlinkMonitor& monitor, uint32_t index) {
  while (!CO_TRY(netlink.link(index)).running()) CO_TRY(co_await monitor.next());
  co_return Result<>();
}

Task<Result<std::string>> receive_frame(PacketSocket& socket) { co_return co_await socket.receive(); }

TEST_F(Namespaces, APacketSocketPassesWhatItsFilterLets) {
  runtime::LoopThread loop("packet");
  Netlink a = *Netlink::open_in(a_);
  Netlink b = *Netlink::open_in(b_);
  ASSERT_TRUE(a.add_veth("left", "right", 1500, b_));
  const Link left = *a.link("left");
  const Link right = *b.link("right");
  std::optional<NetlinkMonitor> monitor;
  ASSERT_TRUE(run_in_netns(a_, [&]() -> Result<> {
    monitor = TRY(NetlinkMonitor::open(loop.loop(), {.links = true}));
    return {};
  }));
  ASSERT_TRUE(b.set_admin(right.index, Netlink::Admin::kUp));
  ASSERT_TRUE(a.set_admin(left.index, Netlink::Admin::kUp));
  ASSERT_TRUE(runtime::run_blocking(
      loop.loop(), runtime::with_timeout(kPatience, "carrier", until_running(a, *monitor, left.index))));
  std::optional<PacketSocket> sender;
  std::optional<PacketSocket> receiver;
  ASSERT_TRUE(run_in_netns(a_, [&]() -> Result<> {
    sender = TRY(PacketSocket::open(loop.loop(), left.index, 0x88b5));
    return {};
  }));
  ASSERT_TRUE(run_in_netns(b_, [&]() -> Result<> {
    receiver = TRY(PacketSocket::open(loop.loop(), right.index, 0x88b5, kOnlyYes));
    return {};
  }));
  const std::string head = std::string(6, '\xff') + std::string("\x02\0\0\0\0\1", 6) + "\x88\xb5";
  ASSERT_TRUE(sender->send(head + "no, never"));
  ASSERT_TRUE(sender->send(head + "yes, this"));
  const auto frame = runtime::run_blocking(
      loop.loop(), runtime::with_timeout(kPatience, "packet", receive_frame(*receiver)));
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_EQ(frame->substr(14, 9), "yes, this");
}

}  // namespace
}  // namespace cloudless::net
