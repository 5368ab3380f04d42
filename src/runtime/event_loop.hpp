// EventLoop: the Executor of the running program, a thread's worth of Asio.
#pragma once

#include <memory>

#include "runtime/executor.hpp"
#include "runtime/task.hpp"

namespace boost::asio {
class io_context;
}

namespace cloudless::runtime {

class EventLoop final : public Executor {
 public:
  EventLoop();
  ~EventLoop() override;

  /// Runs jobs on the calling thread until stop(). One thread at a time.
  void run();
  /// Makes run() return after the job at hand. Any thread.
  void stop();

  void post(Job job) override;
  TimerId call_after(Duration delay, Job job) override;
  void cancel(TimerId timer) override;
  const Clock& clock() const override;
  bool on_this_thread() const override;

  /// For net/: where sockets live.
  boost::asio::io_context& io();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// An EventLoop with a thread of its own from construction to destruction. Its scopes must be idle by then.
class LoopThread {
 public:
  /// `name`: the thread's name in ps and perf, 15 characters at the most.
  explicit LoopThread(std::string name);
  ~LoopThread();
  EventLoop& loop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Runs `task` on `executor`, whose thread is another, and blocks the calling thread until it ends. For main
/// and tests.
template <class T>
T run_blocking(Executor& executor, Task<T> task);

}  // namespace cloudless::runtime

#include "runtime/run_blocking.ipp"
