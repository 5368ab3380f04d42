// Simulation: an Executor and Clock for tests, in virtual time. Nothing waits: time moves when no job is
// ready. The same seed gives the same run; jobs that are ready together run in an order drawn from the seed,
// or in the order they were posted with seed 0.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "base/random.hpp"
#include "runtime/executor.hpp"
#include "runtime/scope.hpp"

namespace cloudless::runtime {

/// A Clock that stands still until it is set.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start = WallTime(std::chrono::seconds(1'790'000'000))) : start_(start) {}
  WallTime wall_now() const override { return start_ + elapsed_; }
  SteadyTime steady_now() const override { return SteadyTime(elapsed_); }
  void advance(Duration by) { elapsed_ += by; }

 private:
  WallTime start_;
  Duration elapsed_{0};
};

class Simulation final : public Executor {
 public:
  explicit Simulation(uint64_t seed = 0) : seed_(seed), random_(seed) {}

  /// Runs all ready jobs, and those that they post, without moving time.
  void run_ready();
  /// Runs everything that happens in the next `span`, moving time from timer to timer.
  void run_for(Duration span);
  /// Runs until nothing is ready and no timer is set, or `limit` has passed; true if all came to rest.
  bool run_until_idle(Duration limit);
  /// Runs `task` to its end, moving time as needed. The result, or kDeadlineExceeded after `limit` of virtual
  /// time.
  template <class T>
  Result<T> run(Task<T> task, Duration limit = std::chrono::hours(1));

  Random& random() { return random_; }

  void post(Job job) override;
  TimerId call_after(Duration delay, Job job) override;
  void cancel(TimerId timer) override;
  const Clock& clock() const override { return clock_; }
  bool on_this_thread() const override { return true; }

 private:
  // Moves the timers that are due to the ready jobs; false where none is set.
  bool advance_to_next_timer(SteadyTime no_later_than);

  const uint64_t seed_;
  SeededRandom random_;
  ManualClock clock_;
  // Other threads may post (a WorkerPool's, in tests that mix both); all else is the test's thread alone.
  std::mutex mutex_;
  std::vector<Job> ready_;
  TimerId last_timer_ = 0;
  std::map<std::pair<SteadyTime, TimerId>, Job> timers_;
};

template <class T>
Result<T> Simulation::run(Task<T> task, Duration limit) {
  TaskScope scope(*this, Logger());
  std::optional<Result<T>> result;
  scope.spawn([](Task<T> inner, std::optional<Result<T>>& out) -> Task<void> {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(inner);
      out.emplace();
    } else {
      out.emplace(co_await std::move(inner));
    }
  }(std::move(task), result));
  const SteadyTime end = clock_.steady_now() + limit;
  run_ready();
  while (!result && advance_to_next_timer(end)) run_ready();
  if (!scope.idle()) {
    scope.cancel();
    run_ready();
  }
  if (!result)
    return fail(Code::kDeadlineExceeded, "the task did not end within {} of simulated time",
                format_duration(limit));
  return std::move(*result);
}

}  // namespace cloudless::runtime
