// Waiter: one suspended coroutine that exactly one of several parties resumes: a sender on any thread, or
// cancellation.
//
// The building block of Completion, Channel and Signal. States:
//
//     idle --suspend--> waiting --claim by a sender-----> resumed by a job on the waiting task's executor
//                          \----claim by cancellation---> the same, and `cancelled` is set
//
// Whoever claims resumes; later claims fail. The owner of the Waiter guards claim() with its own mutex.
#pragma once

#include <coroutine>
#include <memory>
#include <mutex>

#include "runtime/task.hpp"

namespace cloudless::runtime {

struct Waiter : std::enable_shared_from_this<Waiter> {
  TaskContext context;
  std::coroutine_handle<> handle;
  bool claimed = false;
  bool cancelled = false;

  /// True for the first caller, which must then call resume(). Call with the owner's mutex held.
  bool claim() {
    if (claimed) return false;
    claimed = true;
    return true;
  }
  /// Continues the coroutine on its executor. Any thread; after a successful claim().
  void resume() {
    context.executor->post([self = shared_from_this()] { self->handle.resume(); });
  }
};

/// Suspends the awaiting coroutine. `enlist(waiter)` is called with `mutex` held; it returns false where
/// there is nothing to wait for. Cancelling the task claims the waiter. The value of co_await is true unless
/// cancelled.
template <class Enlist>
class Suspension final : public CancelState::Callback {
 public:
  Suspension(std::mutex& mutex, Enlist enlist) : mutex_(mutex), enlist_(std::move(enlist)) {}

  bool await_ready() const noexcept { return false; }
  template <class Awaiting>
  bool await_suspend(std::coroutine_handle<Awaiting> awaiting) {
    const TaskContext context = awaiting.promise().context;
    waiter_->context = context;
    waiter_->handle = awaiting;
    if (context.cancelled()) {
      waiter_->claimed = waiter_->cancelled = true;
      return false;
    }
    // Linked before it is enlisted: once enlisted, another thread may post the resumption, which runs on this
    // thread only after we return to the executor.
    if (context.cancel) context.cancel->add(*this);
    const std::lock_guard lock(mutex_);
    if (enlist_(waiter_)) return true;
    unlink();
    return false;
  }
  bool await_resume() {
    unlink();
    return !waiter_->cancelled;
  }
  void on_cancel() override {
    {
      const std::lock_guard lock(mutex_);
      if (!waiter_->claim()) return;
      waiter_->cancelled = true;
    }
    waiter_->resume();
  }

 private:
  std::mutex& mutex_;
  Enlist enlist_;
  std::shared_ptr<Waiter> waiter_ = std::make_shared<Waiter>();
};

}  // namespace cloudless::runtime
