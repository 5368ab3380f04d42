#include "client/work_queue.hpp"

#include <gtest/gtest.h>

#include "runtime/simulation.hpp"

namespace cloudless::client {
namespace {

using namespace std::chrono_literals;

struct WorkQueueTest : ::testing::Test {
  std::optional<std::string> next() {
    return simulation.run(queue.get(), 0s).value_or(std::nullopt).value_or(std::nullopt);
  }

  runtime::Simulation simulation;
  SeededRandom random{1};
  WorkQueue queue{simulation, random};
};

TEST_F(WorkQueueTest, AKeyIsQueuedOnceHoweverOftenItIsAdded) {
  queue.add("a");
  queue.add("b");
  queue.add("a");
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(next(), "a");
  EXPECT_EQ(next(), "b");
}

TEST_F(WorkQueueTest, AKeyAddedWhileProcessedComesBackWhenDone) {
  queue.add("a");
  EXPECT_EQ(next(), "a");
  queue.add("a");
  EXPECT_EQ(queue.size(), 0u);
  queue.done("a");
  EXPECT_EQ(next(), "a");
}

TEST_F(WorkQueueTest, OfTwoDelaysTheEarlierCounts) {
  queue.add_after("a", 10s);
  queue.add_after("a", 5s);
  queue.add_after("a", 8s);
  simulation.run_for(4999ms);
  EXPECT_EQ(queue.size(), 0u);
  simulation.run_for(1ms);
  EXPECT_EQ(next(), "a");
  queue.done("a");
  simulation.run_for(10s);
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(WorkQueueTest, FailuresDoubleTheDelayUpToItsLimitAndForgetResetsIt) {
  const Backoff backoff{1s, 10s};
  for (const auto& [failures, most] :
       {std::pair(1, 1s), std::pair(2, 2s), std::pair(4, 8s), std::pair(9, 10s)}) {
    const Duration delay = backoff.delay(failures, random);
    EXPECT_LE(delay, most) << failures;
    EXPECT_GE(delay, most * 9 / 10) << failures;
  }
  queue.add_rate_limited("a");
  queue.add_rate_limited("a");
  EXPECT_EQ(queue.failures("a"), 2);
  queue.forget("a");
  EXPECT_EQ(queue.failures("a"), 0);
}

}  // namespace
}  // namespace cloudless::client
