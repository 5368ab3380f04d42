#include "lb/announcer.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "lb/neighbour_wire.hpp"
#include "net/netns.hpp"
#include "network/testing/lan.hpp"
#include "runtime/completion.hpp"

namespace cloudless::lb {
namespace {

using network::testing::Lan;
using runtime::Task;

net::IpAddress ip(const std::string& text) { return net::IpAddress::parse(text).value(); }

constexpr net::MacAddress kOurs{2, 0, 0, 0, 0, 1};
constexpr net::MacAddress kTheirs{2, 0, 0, 0, 0, 2};

TEST(NeighbourWire, ARequestIsAnsweredToWhoAsked) {
  const auto frames = make_gratuitous_arp(kTheirs, ip("192.0.2.7"));
  const auto own = parse_arp_request(frames[0]);
  ASSERT_TRUE(own);
  EXPECT_EQ(own->sender_ip, own->target_ip);
  EXPECT_FALSE(parse_arp_request(frames[1]));
  ArpRequest request{{}, kTheirs, ip("192.0.2.2"), ip("192.0.2.7")};
  const std::string reply = make_arp_reply(kOurs, request);
  EXPECT_EQ(reply.size(), 42u);
  EXPECT_EQ(reply.substr(0, 6), std::string("\2\0\0\0\0\2", 6));
  EXPECT_EQ(reply.substr(28, 4), ip("192.0.2.7").bytes());
  EXPECT_EQ(reply.substr(38, 4), ip("192.0.2.2").bytes());
}

TEST(NeighbourWire, ShortAndForeignFramesAreIgnored) {
  const std::string frame = make_gratuitous_arp(kTheirs, ip("192.0.2.7"))[0];
  for (size_t size = 0; size < frame.size(); ++size) EXPECT_FALSE(parse_arp_request(frame.substr(0, size)));
  std::string other = frame;
  other[12] = '\x86';
  EXPECT_FALSE(parse_arp_request(other));
}

TEST(NeighbourWire, SolicitationsAndTheirGroupAreThoseOfTheRfc) {
  std::string solicitation("\x87\0\0\0\0\0\0\0", 8);
  solicitation += ip("2001:db8::1:2:3").bytes();
  EXPECT_EQ(parse_neighbour_solicitation(solicitation), ip("2001:db8::1:2:3"));
  EXPECT_FALSE(parse_neighbour_solicitation(solicitation.substr(0, 23)));
  EXPECT_EQ(solicited_node_group(ip("2001:db8::1:2:3")), ip("ff02::1:ff02:3"));
  const std::string advertisement = make_neighbour_advertisement(kOurs, ip("2001:db8::1"), Solicited::kYes);
  EXPECT_EQ(advertisement.size(), 32u);
  EXPECT_EQ(static_cast<uint8_t>(advertisement[4]), 0x60);
}

// An Announcer on a loop of its own in a namespace.
class RunningAnnouncer {
 public:
  explicit RunningAnnouncer(const std::string& netns) {
    runtime::Completion<runtime::EventLoop*> started;
    thread_ = std::thread([this, netns, started] {
      EXPECT_TRUE(net::run_in_netns(netns, [&]() -> Result<> {
        runtime::EventLoop loop;
        runtime::TaskScope scope(loop, Logger());
        Announcer announcer({"lo"}, loop, Logger());
        announcer_ = &announcer;
        scope.spawn(life(announcer, started, loop, stop_));
        loop.run();
        return {};
      }));
    });
    runtime::LoopThread waiter("cl-lb-wait");
    loop_ = runtime::run_blocking(waiter.loop(), wait(started));
  }
  ~RunningAnnouncer() {
    stop_.complete(true);
    thread_.join();
  }

  void set(AnnouncedAddresses addresses) {
    loop_->post([this, addresses = std::move(addresses)] { announcer_->set(addresses); });
  }

 private:
  static Task<void> life(Announcer& announcer, runtime::Completion<runtime::EventLoop*> started,
                         runtime::EventLoop& loop, runtime::Completion<bool> stop) {
    const auto begun = co_await announcer.start();
    EXPECT_TRUE(begun) << (begun ? "" : begun.error().message);
    started.complete(&loop);
    static_cast<void>(co_await stop.wait());
    co_await announcer.stop();
    // After this frame is gone.
    loop.post([&loop] { loop.post([&loop] { loop.stop(); }); });
  }
  static Task<runtime::EventLoop*> wait(runtime::Completion<runtime::EventLoop*> started) {
    co_return (co_await started.wait()).value();
  }

  std::thread thread_;
  runtime::Completion<bool> stop_;
  runtime::EventLoop* loop_ = nullptr;
  Announcer* announcer_ = nullptr;
};

class AnnouncerOnALink : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!network::testing::can_use_namespaces()) GTEST_SKIP() << "needs root";
    node_ = lan_.add("node");
    client_ = lan_.add("client");
    lan_.connect(node_, "lan0", "192.0.2.1/24", client_, "eth9", "192.0.2.2/24");
    lan_.sh(client_, "ip addr add 2001:db8::2/64 dev eth9 nodad");
    mac_ = lan_.sh(node_, "ip -o link show lan0 | sed 's/.*ether \\([0-9a-f:]*\\).*/\\1/'");
  }

  // What the client's kernel believes, waiting until it is `wanted` or a second has passed.
  bool client_learns(const std::string& address, const std::string& wanted) {
    return lan_.status(
               client_,
               fmt::format("for i in $(seq 50); do ip neigh show {} dev eth9 | grep -q '{}' && exit 0; "
                           "sleep 0.02; done; exit 1",
                           address, wanted)) == 0;
  }

  Lan lan_;
  std::string node_, client_, mac_;
};

TEST_F(AnnouncerOnALink, AnswersArpForItsAddressesAndNoOthers) {
  RunningAnnouncer announcer(node_);
  announcer.set({{ip("192.0.2.7"), {}}, {ip("192.0.2.8"), {"elsewhere"}}});
  EXPECT_EQ(lan_.status(client_, "arping -q -c 1 -w 1 -I eth9 192.0.2.7"), 0);
  EXPECT_NE(lan_.status(client_, "arping -q -c 1 -w 1 -I eth9 192.0.2.8"), 0);
  announcer.set({});
  EXPECT_NE(lan_.status(client_, "arping -q -c 1 -w 1 -I eth9 192.0.2.7"), 0);
}

TEST_F(AnnouncerOnALink, TakingAnAddressOverChangesWhatTheLinkBelieves) {
  lan_.sh(client_, "ip neigh replace 192.0.2.7 lladdr 02:00:00:00:00:99 dev eth9 nud stale");
  lan_.sh(client_, "ip neigh replace 2001:db8::7 lladdr 02:00:00:00:00:99 dev eth9 nud stale");
  RunningAnnouncer announcer(node_);
  announcer.set({{ip("192.0.2.7"), {}}, {ip("2001:db8::7"), {}}});
  EXPECT_TRUE(client_learns("192.0.2.7", mac_));
  EXPECT_TRUE(client_learns("2001:db8::7", mac_));
}

TEST_F(AnnouncerOnALink, AnswersNeighbourSolicitations) {
  RunningAnnouncer announcer(node_);
  announcer.set({{ip("2001:db8::7"), {}}});
  lan_.status(client_, "ping -6 -c 1 -W 1 2001:db8::7");
  EXPECT_TRUE(client_learns("2001:db8::7", mac_));
}

}  // namespace
}  // namespace cloudless::lb
