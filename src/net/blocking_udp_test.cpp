#include "net/blocking_udp.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "runtime/timer.hpp"

namespace cloudless::net {
namespace {

using namespace std::chrono_literals;
using runtime::Task;

constexpr Duration kPatience = 60s;

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

// Answers until it is shut down; the answers carry the number of datagrams so far.
void serve(BlockingUdpSocket& server) {
  UdpBatch batch(8, 16);
  for (int count = 0; server.receive(batch);) {
    for (size_t i = 0; i < batch.size(); ++i) {
      EXPECT_EQ(batch.peer(i), ip("127.0.0.1"));
      EXPECT_TRUE(batch.reply(i).empty());
      ++count;
      if (batch.payload(i) == "later") {
        EXPECT_EQ(batch.envelope(i).local, ip("127.0.0.3"));
        Datagram answer = batch.envelope(i);
        answer.payload = "at last";
        EXPECT_TRUE(server.try_send(answer));
      } else if (batch.payload(i) != "ignore") {
        batch.reply(i) = fmt::format("{} {}", count, batch.payload(i));
      }
    }
    EXPECT_EQ(server.send_replies(batch), 0u);
  }
}

Task<Result<std::vector<Datagram>>> ask(runtime::EventLoop& loop, uint16_t port) {
  UdpSocket client = CO_TRY(UdpSocket::bind(loop, {ip("127.0.0.1"), 0}));
  std::vector<Datagram> answers;
  for (const auto& [to, text] :
       std::initializer_list<std::pair<const char*, const char*>>{{"127.0.0.2", "a question too long for it"},
                                                                  {"127.0.0.3", "ignore"},
                                                                  {"127.0.0.3", "later"},
                                                                  {"127.0.0.3", "b"}}) {
    CO_TRY(
        co_await client.send({.peer = {ip(to), port}, .local = {}, .interface_index = 0, .payload = text}));
    if (std::string_view(text) == "ignore") continue;
    answers.push_back(CO_TRY(co_await client.receive()));
  }
  co_return answers;
}

TEST(BlockingUdpSocket, AnswersFromTheAddressThatWasAskedUntilItIsShutDown) {
  auto server = BlockingUdpSocket::bind({ip("0.0.0.0"), 0});
  ASSERT_TRUE(server) << server.error().message;
  std::thread thread([&server] { serve(*server); });
  runtime::LoopThread loop("udp");
  const auto answers = runtime::run_blocking(
      loop.loop(), runtime::with_timeout(kPatience, "udp", ask(loop.loop(), server->address().port)));
  server->shut_down();
  thread.join();
  ASSERT_TRUE(answers) << answers.error().message;
  EXPECT_EQ((*answers)[0].payload, "1 a question too l");
  EXPECT_EQ((*answers)[0].peer.address, ip("127.0.0.2"));
  EXPECT_EQ((*answers)[1].payload, "at last");
  EXPECT_EQ((*answers)[1].peer.address, ip("127.0.0.3"));
  EXPECT_EQ((*answers)[2].payload, "4 b");
  UdpBatch batch(1, 16);
  EXPECT_FALSE(server->receive(batch)) << "nothing comes after the shutdown";
}

TEST(BlockingUdpSocket, NamesAnAddressThatIsTaken) {
  const auto first = BlockingUdpSocket::bind({ip("127.0.0.1"), 0});
  ASSERT_TRUE(first);
  const auto second = BlockingUdpSocket::bind(first->address());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(first->address().to_string()), std::string::npos);
}

}  // namespace
}  // namespace cloudless::net
