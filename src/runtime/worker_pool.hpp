// WorkerPool: threads for what blocks (databases, files, child processes), so that event loops never do.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/completion.hpp"

namespace cloudless::runtime {

class WorkerPool {
 public:
  /// `threads` > 0; `queue_limit`: jobs that wait at the most.
  WorkerPool(std::string name, size_t threads, size_t queue_limit);
  /// Finishes what is queued.
  ~WorkerPool();

  /// False where the queue is full.
  bool try_submit(std::move_only_function<void()> job);

  /// Runs `function` (which returns a Result) on a worker and brings its result back to the task's executor.
  /// kResourceExhausted where the queue is full. A cancelled task leaves; the function still runs to its end,
  /// so it must own what it uses.
  template <class Function>
  auto run(Function function) -> Task<std::invoke_result_t<Function>> {
    using R = std::invoke_result_t<Function>;
    Completion<R> done;
    const bool queued =
        try_submit([done, function = std::move(function)]() mutable { done.complete(function()); });
    if (!queued) co_return fail(Code::kResourceExhausted, "the queue for blocking work is full");
    Result<R> result = co_await done.wait();
    if (!result) co_return std::unexpected(result.error());
    co_return std::move(*result);
  }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::runtime
