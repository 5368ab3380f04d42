// Completion<T>: a value that arrives once, from any thread, for the one task that waits for it. It carries
// the result of work done elsewhere (a commit thread, a callback API) back to the task's executor.
//
//     Completion<Revision> done;
//     log.append(batch, [done](Revision r) mutable { done.complete(r); });
//     Revision revision = CO_TRY(co_await done.wait());
//
// Copies share one state. A task that was cancelled leaves; what arrives later is dropped.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "runtime/waiter.hpp"

namespace cloudless::runtime {

template <class T>
class Completion {
 public:
  /// Any thread; the first call counts.
  void complete(T value) const {
    std::shared_ptr<Waiter> waiter;
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->value) return;
      state_->value.emplace(std::move(value));
      if (state_->waiter && state_->waiter->claim()) waiter = state_->waiter;
    }
    if (waiter) waiter->resume();
  }

  /// The value, or kCancelled. At most one task waits.
  Task<Result<T>> wait() const { return wait_for(state_); }

 private:
  struct State {
    std::mutex mutex;
    std::optional<T> value;
    std::shared_ptr<Waiter> waiter;
  };

  static Task<Result<T>> wait_for(std::shared_ptr<State> state) {
    const auto enlist = [state](const std::shared_ptr<Waiter>& waiter) {
      if (state->value) return false;
      state->waiter = waiter;
      return true;
    };
    if (!co_await Suspension(state->mutex, enlist)) co_return fail(Code::kCancelled, "cancelled");
    const std::lock_guard lock(state->mutex);
    co_return std::move(*state->value);
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace cloudless::runtime
