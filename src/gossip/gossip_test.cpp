#include "gossip/gossip.hpp"

#include <gtest/gtest.h>

#include "runtime/timer.hpp"

namespace cloudless::gossip {
namespace {

using namespace std::chrono_literals;
using runtime::Task;

constexpr Duration kPatience = 60s;

GossipOptions options_of(const std::string& name, const std::string& secret) {
  GossipOptions options;
  options.node_name = name;
  options.advertise_address = net::IpAddress::parse("127.0.0.1").value();
  options.port = 0;
  options.key = derive_key(secret);
  return options;
}

Peer peer_of(const std::string& name, const Gossip& gossip) {
  return {name, {net::IpAddress::parse("127.0.0.1").value(), gossip.port()}};
}

// Returns once `holds` is true of the member's view.
Task<Result<>> wait_until(Gossip& gossip, std::function<bool(const MembershipView&)> holds) {
  runtime::Signal changed;
  const auto subscription = gossip.subscribe([&changed] { changed.notify(); });
  while (!holds(*gossip.view())) CO_TRY(co_await changed.wait());
  co_return Result<>();
}

Task<Result<>> meet_and_part(Gossip& a, Gossip& b) {
  CO_TRY(co_await a.start());
  CO_TRY(co_await b.start());
  a.set_peers({peer_of("b", b)});
  CO_TRY(co_await runtime::with_timeout(
      kPatience, "b to be seen",
      wait_until(a, [](const MembershipView& view) { return view.is_alive("b"); })));
  CO_TRY(co_await runtime::with_timeout(
      kPatience, "a to be seen",
      wait_until(b, [](const MembershipView& view) { return view.is_alive("a"); })));
  co_await b.stop();
  CO_TRY(co_await runtime::with_timeout(
      kPatience, "b to be gone",
      wait_until(a, [](const MembershipView& view) { return view.is_dead("b"); })));
  co_await a.stop();
  co_return Result<>();
}

TEST(Gossip, TwoProcessesFindEachOtherAndHearAGoodbye) {
  runtime::LoopThread thread("gossip");
  SystemRandom random;
  Gossip a(options_of("a", "secret"), thread.loop(), random, Logger());
  Gossip b(options_of("b", "secret"), thread.loop(), random, Logger());
  const auto done = runtime::run_blocking(thread.loop(), meet_and_part(a, b));
  EXPECT_TRUE(done) << (done ? "" : done.error().message);
}

Task<Result<>> stay_strangers(Gossip& a, Gossip& b) {
  CO_TRY(co_await a.start());
  CO_TRY(co_await b.start());
  a.set_peers({peer_of("b", b)});
  const auto met = co_await runtime::with_timeout(
      500ms, "b to be seen",
      wait_until(a, [](const MembershipView& view) { return view.members.contains("b"); }));
  co_await a.stop();
  co_await b.stop();
  co_return met;
}

TEST(Gossip, AnotherKeyIsNotHeard) {
  runtime::LoopThread thread("gossip");
  SystemRandom random;
  Gossip a(options_of("a", "secret"), thread.loop(), random, Logger());
  Gossip b(options_of("b", "other"), thread.loop(), random, Logger());
  const auto met = runtime::run_blocking(thread.loop(), stay_strangers(a, b));
  ASSERT_FALSE(met);
  EXPECT_EQ(met.error().code, Code::kDeadlineExceeded);
}

Task<Result<>> start_of(Gossip& gossip) {
  const auto started = co_await gossip.start();
  co_await gossip.stop();
  co_return started;
}

TEST(Gossip, ABadKeyIsRefusedAtTheStart) {
  runtime::LoopThread thread("gossip");
  SystemRandom random;
  GossipOptions options = options_of("a", "secret");
  options.key = "short";
  Gossip gossip(options, thread.loop(), random, Logger());
  EXPECT_EQ(runtime::run_blocking(thread.loop(), start_of(gossip)).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace cloudless::gossip
