#include <gtest/gtest.h>

#include "runtime/channel.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/simulation.hpp"
#include "runtime/timer.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::runtime {
namespace {

using namespace std::chrono_literals;

Task<int> add(int a, int b) { co_return a + b; }
Task<int> throws() {
  throw std::runtime_error("broken");
  co_return 0;
}
Task<int64_t> sum_up(int64_t n) {
  int64_t total = 0;
  for (int64_t i = 0; i < n; ++i) total += co_await add(static_cast<int>(i), 1);
  co_return total;
}

TEST(Task, AwaitsManyOthersWithoutDeepeningTheStack) {
  Simulation simulation;
  EXPECT_EQ(simulation.run(sum_up(60'000)).value(), int64_t{60'000} * 60'001 / 2);
}

TEST(Task, AnExceptionReachesTheAwaitingTask) {
  Simulation simulation;
  const auto catches = []() -> Task<bool> {
    try {
      co_await throws();
    } catch (const std::runtime_error&) {
      co_return true;
    }
    co_return false;
  };
  EXPECT_EQ(simulation.run(catches()), true);
}

TEST(Timer, SleepMovesVirtualTimeAlone) {
  Simulation simulation;
  const SteadyTime before = simulation.clock().steady_now();
  EXPECT_TRUE(simulation.run(sleep_for(5min)).value());
  EXPECT_EQ(simulation.clock().steady_now() - before, 5min);
}

TEST(Timer, ATimeoutCancelsWhatTakesTooLongAndNamesIt) {
  Simulation simulation;
  const auto result = simulation.run(with_timeout(1s, "the nap", sleep_for(1h))).value();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), (Error{Code::kDeadlineExceeded, "the nap took longer than 1s"}));
  EXPECT_EQ(simulation.run(with_timeout(1h, "the nap", sleep_for(1s))).value(), Result<>());
}

Task<void> sleep_and_record(Duration duration, std::vector<Code>& ends) {
  const auto result = co_await sleep_for(duration);
  ends.push_back(result ? Code::kInternal : result.error().code);
}

TEST(TaskScope, CancelEndsAllTasksAndThoseThatCome) {
  Simulation simulation;
  std::vector<Code> ends;
  TaskScope scope(simulation, Logger());
  for (int i = 0; i < 3; ++i) scope.spawn(sleep_and_record(1h, ends));
  simulation.run_ready();
  scope.cancel();
  scope.spawn(sleep_and_record(1h, ends));
  EXPECT_TRUE(simulation.run(scope.join()).has_value());
  EXPECT_EQ(ends, std::vector<Code>(4, Code::kCancelled));
  EXPECT_TRUE(scope.idle());
}

Task<void> send_numbers(Channel<int>& channel, int count) {
  for (int i = 0; i < count; ++i) static_cast<void>(co_await channel.send(i));
  channel.close();
}

Task<std::vector<int>> receive_all(Channel<int>& channel) {
  std::vector<int> received;
  while (auto value = (co_await channel.receive()).value()) received.push_back(*value);
  co_return received;
}

TEST(Channel, ASenderWaitsForRoomAndAReceiverGetsAllInOrder) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Simulation simulation(seed);
    Channel<int> channel(2);
    TaskScope scope(simulation, Logger());
    scope.spawn(send_numbers(channel, 50));
    simulation.run_ready();
    EXPECT_EQ(channel.size(), 2u);
    const auto received = simulation.run(receive_all(channel)).value();
    ASSERT_EQ(received.size(), 50u) << seed;
    for (int i = 0; i < 50; ++i) EXPECT_EQ(received[i], i);
  }
}

TEST(Channel, TrySendRefusesWhatIsBeyondTheBound) {
  Channel<int> channel(1);
  EXPECT_TRUE(channel.try_send(1));
  EXPECT_FALSE(channel.try_send(2));
  EXPECT_EQ(channel.try_receive(), 1);
}

TEST(Signal, SeveralNotificationsBeforeTheWaitCountOnce) {
  Simulation simulation;
  Signal signal;
  signal.notify();
  signal.notify();
  EXPECT_TRUE(simulation.run(signal.wait()).value());
  EXPECT_EQ(simulation.run(with_timeout(1s, "the second wait", signal.wait())).value().error().code,
            Code::kDeadlineExceeded);
}

TEST(EventLoop, BringsWorkersResultsBackToItsThread) {
  LoopThread thread("test-loop");
  WorkerPool pool("test-pool", 2, 100);
  const auto work = [](WorkerPool& workers, EventLoop& loop) -> Task<int> {
    int total = 0;
    for (int i = 0; i < 100; ++i) {
      total += (co_await workers.run([i]() -> Result<int> { return i; })).value();
      EXPECT_TRUE(loop.on_this_thread());
    }
    co_return total;
  };
  EXPECT_EQ(run_blocking(thread.loop(), work(pool, thread.loop())), 4950);
}

TEST(EventLoop, ChannelsCrossLoops) {
  LoopThread sender("sender");
  LoopThread receiver("receiver");
  Channel<int> channel(3);
  TaskScope scope(sender.loop(), Logger());
  scope.spawn(send_numbers(channel, 1000));
  EXPECT_EQ(run_blocking(receiver.loop(), receive_all(channel)).size(), 1000u);
  run_blocking(receiver.loop(), scope.join());
}

TEST(EventLoop, ACancelledTimerNeverRuns) {
  LoopThread thread("timers");
  const auto cancels = [](EventLoop& loop) -> Task<bool> {
    bool ran = false;
    const auto timer = loop.call_after(1ms, [&ran] { ran = true; });
    loop.cancel(timer);
    static_cast<void>(co_await sleep_for(5ms));
    co_return ran;
  };
  EXPECT_FALSE(run_blocking(thread.loop(), cancels(thread.loop())));
}

}  // namespace
}  // namespace cloudless::runtime
