// Task<T>: a lazy coroutine. It starts when awaited or spawned, runs on the executor of whoever awaits it,
// and is destroyed with its handle.
//
// A task knows its context: the executor it runs on and the cancel state it obeys. Both pass from the
// awaiting task to the awaited. Whatever suspends for long (sleep, channels, completions, sockets) obeys the
// cancel state by returning Code::kCancelled; plain code need not look. An exception goes to the awaiting
// task and stops at the scope.
//
// Coroutine lambdas must not capture: the captures die with the lambda object. Pass them as parameters.
#pragma once

#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "base/result.hpp"
#include "runtime/cancel.hpp"
#include "runtime/executor.hpp"

namespace cloudless::runtime {

struct TaskContext {
  Executor* executor = nullptr;
  CancelState* cancel = nullptr;

  bool cancelled() const { return cancel && cancel->cancelled(); }
};

namespace detail {

struct PromiseBase {
  TaskContext context;
  std::coroutine_handle<> continuation;
  std::exception_ptr exception;

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> handle) noexcept {
      return handle.promise().continuation;
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() { exception = std::current_exception(); }
};

template <class T>
struct Promise;

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    std::coroutine_handle<promise_type> handle;

    bool await_ready() const noexcept { return false; }
    template <class Awaiting>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Awaiting> awaiting) noexcept {
      handle.promise().context = awaiting.promise().context;
      handle.promise().continuation = awaiting;
      return handle;
    }
    T await_resume() {
      if (handle.promise().exception) std::rethrow_exception(handle.promise().exception);
      if constexpr (!std::is_void_v<T>) return std::move(*handle.promise().value);
    }
  };
  Awaiter operator co_await() && noexcept { return {handle_}; }

  /// For TaskScope and its like: the coroutine itself, still owned by this task.
  std::coroutine_handle<promise_type> handle() const { return handle_; }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() { return Task<T>(std::coroutine_handle<Promise>::from_promise(*this)); }
  template <class U = T>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() { return Task<void>(std::coroutine_handle<Promise>::from_promise(*this)); }
  void return_void() {}
};

struct CurrentContext {
  TaskContext context;
  bool await_ready() const noexcept { return false; }
  template <class Awaiting>
  bool await_suspend(std::coroutine_handle<Awaiting> awaiting) noexcept {
    context = awaiting.promise().context;
    return false;
  }
  TaskContext await_resume() const noexcept { return context; }
};

}  // namespace detail

/// Awaits `task` in another context on the same executor: one with a cancel state of its own, or with none,
/// where the task must come to its end whatever happens to its caller.
template <class T>
auto run_in(TaskContext context, Task<T> task) {
  struct Awaiter {
    TaskContext context;
    Task<T> task;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      task.handle().promise().context = context;
      task.handle().promise().continuation = awaiting;
      return task.handle();
    }
    T await_resume() { return typename Task<T>::Awaiter{task.handle()}.await_resume(); }
  };
  return Awaiter{context, std::move(task)};
}

/// The running task's context: `const TaskContext context = co_await current_context();`.
inline detail::CurrentContext current_context() { return {}; }

}  // namespace cloudless::runtime
