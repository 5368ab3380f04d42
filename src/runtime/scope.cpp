#include "runtime/scope.hpp"

#include <cassert>

namespace cloudless::runtime {

struct TaskScope::State {
  State(Executor& home, Logger logger) : executor(home), log(std::move(logger)) {}

  Executor& executor;
  Logger log;
  CancelState cancel_state;  // on the executor's thread
  std::atomic<bool> cancel_requested{false};
  std::atomic<size_t> running{0};
  Signal ended;
};

namespace {

// The root of a spawned task: a coroutine that nobody awaits and that frees itself at its end.
struct Root {
  struct promise_type {
    TaskContext context;
    Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

template <class State>
Root run_root(std::shared_ptr<State> state, Task<void> task) {
  {
    // The task's frame goes before the scope counts it as ended: its locals may refer to what the scope's
    // owner holds.
    Task<void> running = std::move(task);
    try {
      co_await std::move(running);
    } catch (const std::exception& exception) {
      state->log.error("a task ended by an exception", {{"what", exception.what()}});
    }
  }
  state->running.fetch_sub(1);
  state->ended.notify();
}

}  // namespace

TaskScope::TaskScope(Executor& executor, Logger log)
    : state_(std::make_shared<State>(executor, std::move(log))) {}

TaskScope::~TaskScope() { assert(idle()); }

void TaskScope::spawn(Task<void> task) {
  state_->running.fetch_add(1);
  state_->executor.post([state = state_, task = std::move(task)]() mutable {
    const auto root = run_root(state, std::move(task)).handle;
    root.promise().context = {&state->executor, &state->cancel_state};
    root.resume();
  });
}

void TaskScope::cancel() {
  if (state_->cancel_requested.exchange(true)) return;
  if (state_->executor.on_this_thread()) {
    state_->cancel_state.cancel();
  } else {
    state_->executor.post([state = state_] { state->cancel_state.cancel(); });
  }
}

Task<void> TaskScope::join() {
  const std::shared_ptr<State> state = state_;
  const TaskContext context = co_await current_context();
  // Not cancelled with the caller: what the scope's tasks refer to must outlive them.
  while (state->running.load() > 0) {
    static_cast<void>(co_await run_in({context.executor, nullptr}, state->ended.wait()));
  }
}

bool TaskScope::idle() const { return state_->running.load() == 0; }
bool TaskScope::cancelled() const { return state_->cancel_requested.load(); }
Executor& TaskScope::executor() const { return state_->executor; }

}  // namespace cloudless::runtime
