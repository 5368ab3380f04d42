// run_blocking()'s body (event_loop.hpp).
#pragma once

#include <cassert>
#include <future>

#include "runtime/scope.hpp"

namespace cloudless::runtime {

namespace detail {

template <class T>
Task<void> fulfil(std::promise<T>& promise, Task<T> task) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      promise.set_value();
    } else {
      promise.set_value(co_await std::move(task));
    }
  } catch (...) {
    promise.set_exception(std::current_exception());
  }
}

template <class T>
Task<void> fulfil_and_leave(std::promise<T>& promise, Task<T> task, std::promise<void>& left) {
  co_await fulfil(promise, std::move(task));
  // The scope counts the task as ended after this frame is gone; its own job then runs before this one.
  const TaskContext context = co_await current_context();
  context.executor->post([&left] { left.set_value(); });
}

}  // namespace detail

template <class T>
T run_blocking(Executor& executor, Task<T> task) {
  assert(!executor.on_this_thread());
  std::promise<T> result;
  std::promise<void> left;
  TaskScope scope(executor, Logger());
  scope.spawn(detail::fulfil_and_leave(result, std::move(task), left));
  left.get_future().wait();
  return result.get_future().get();
}

}  // namespace cloudless::runtime
