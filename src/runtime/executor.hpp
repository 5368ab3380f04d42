// Executor: one thread of control that runs jobs one after another, now or at a time.
//
// All coroutines of a scope run on one executor, so they share state without locks. EventLoop is the real one
// (a thread and Asio below it); Simulation is the test's, with virtual time and a seeded order.
#pragma once

#include <cstdint>
#include <functional>

#include "base/clock.hpp"

namespace cloudless::runtime {

class Executor {
 public:
  using Job = std::move_only_function<void()>;
  using TimerId = uint64_t;

  virtual ~Executor() = default;

  /// Runs `job` soon, after what was posted before. Any thread.
  virtual void post(Job job) = 0;
  /// Runs `job` once `delay` has passed. Any thread. The id is never 0.
  virtual TimerId call_after(Duration delay, Job job) = 0;
  /// Forgets a timer that has not run; no effect on one that has. On this executor's own thread, a cancelled
  /// timer never runs afterwards.
  virtual void cancel(TimerId timer) = 0;
  virtual const Clock& clock() const = 0;
  virtual bool on_this_thread() const = 0;
};

}  // namespace cloudless::runtime
