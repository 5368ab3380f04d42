// Completion<T>: a value that arrives once, from any thread, for the one task that waits for it. It carries
// the result of work done elsewhere (a commit thread, a callback API) back to the task's executor.
//
//     Completion<Revision> done;
//     log.append(batch, [done](Revision r) mutable { done.complete(r); });
//     Revision revision = CO_TRY(co_await done.wait());
//
// Copies share one state. A task that was cancelled leaves; what arrives later is dropped.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/waiter.hpp"

namespace cloudless::runtime {

/// Tasks that are to continue together: one job on each executor for all of its tasks, so that a thread which
/// completes many wakes the other once. They continue at the end of this object's life.
class Resumptions {
 public:
  Resumptions() = default;
  Resumptions(const Resumptions&) = delete;
  Resumptions& operator=(const Resumptions&) = delete;
  ~Resumptions() {
    for (Group& group : groups_) {
      group.executor->post([waiters = std::move(group.waiters)] {
        for (const std::shared_ptr<Waiter>& waiter : waiters) waiter->handle.resume();
      });
    }
  }

  /// A waiter that the caller has claimed.
  void add(std::shared_ptr<Waiter> waiter) {
    Executor* const executor = waiter->context.executor;
    auto group = std::ranges::find(groups_, executor, &Group::executor);
    if (group == groups_.end()) group = groups_.insert(group, Group{executor, {}});
    group->waiters.push_back(std::move(waiter));
  }

 private:
  struct Group {
    Executor* executor;
    std::vector<std::shared_ptr<Waiter>> waiters;
  };
  std::vector<Group> groups_;
};

template <class T>
class Completion {
 public:
  /// Any thread; the first call counts.
  void complete(T value) const {
    if (const auto waiter = settle(std::move(value))) waiter->resume();
  }
  /// The same, but the task continues with the others of `together`.
  void complete(T value, Resumptions& together) const {
    if (auto waiter = settle(std::move(value))) together.add(std::move(waiter));
  }

  /// The value, or kCancelled. At most one task waits.
  Task<Result<T>> wait() const { return wait_for(state_); }

 private:
  struct State {
    std::mutex mutex;
    std::optional<T> value;
    std::shared_ptr<Waiter> waiter;
  };

  // The task to be continued, if there is one.
  std::shared_ptr<Waiter> settle(T value) const {
    const std::lock_guard lock(state_->mutex);
    if (state_->value) return nullptr;
    state_->value.emplace(std::move(value));
    return state_->waiter && state_->waiter->claim() ? state_->waiter : nullptr;
  }

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
