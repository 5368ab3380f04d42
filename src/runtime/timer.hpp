// Waiting for time: sleep, and a limit around any task.
#pragma once

#include <memory>
#include <mutex>

#include "runtime/waiter.hpp"

namespace cloudless::runtime {

/// Returns after `duration`, or at once with kCancelled when the task is cancelled.
Task<Result<>> sleep_for(Duration duration);

namespace detail {

// Cancels a state when its time is up, unless destroyed before.
class Deadline {
 public:
  Deadline(Executor& executor, Duration limit, CancelState& target)
      : executor_(executor), timer_(executor.call_after(limit, [this] { expire(); })), target_(target) {}
  ~Deadline() {
    if (!expired_) executor_.cancel(timer_);
  }
  bool expired() const { return expired_; }

 private:
  void expire() {
    expired_ = true;
    target_.cancel();
  }
  Executor& executor_;
  bool expired_ = false;
  Executor::TimerId timer_;
  CancelState& target_;
};

}  // namespace detail

/// The task's own result, or kDeadlineExceeded naming `what` if it took longer than `limit`. The task is then
/// cancelled and awaited, so it must obey cancellation.
template <class T>
Task<Result<T>> with_timeout(Duration limit, std::string what, Task<Result<T>> task) {
  const TaskContext context = co_await current_context();
  CancelState limited;
  const LinkedCancel link(context.cancel, limited);
  const detail::Deadline deadline(*context.executor, limit, limited);
  Result<T> result = co_await run_in({context.executor, &limited}, std::move(task));
  if (!result && result.error().code == Code::kCancelled && deadline.expired()) {
    co_return fail(Code::kDeadlineExceeded, "{} took longer than {}", what, format_duration(limit));
  }
  co_return result;
}

}  // namespace cloudless::runtime
