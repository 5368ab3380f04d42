#include "net/background.hpp"

#include <atomic>

namespace cloudless::net {

struct Background::State {
  State(runtime::Executor& home, Logger logger) : executor(home), log(std::move(logger)) {}

  runtime::Executor& executor;
  Logger log;
  runtime::CancelState cancel_state;  // on the executor's thread
  std::atomic<bool> over{false};      // ended, or asked to end
};

namespace {

struct Root {
  struct promise_type {
    runtime::TaskContext context;
    Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

template <class State>
Root run_root(std::shared_ptr<State> state, runtime::Task<void> task) {
  {
    runtime::Task<void> running = std::move(task);
    try {
      co_await std::move(running);
    } catch (const std::exception& exception) {
      state->log.error("a background task ended by an exception", {{"what", exception.what()}});
    }
  }
  state->over = true;
}

}  // namespace

Background& Background::operator=(Background&& other) noexcept {
  if (this != &other) {
    cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

Background Background::start(runtime::Executor& executor, runtime::Task<void> task, Logger log) {
  auto state = std::make_shared<State>(executor, std::move(log));
  executor.post([state, task = std::move(task)]() mutable {
    const auto root = run_root(state, std::move(task)).handle;
    root.promise().context = {&state->executor, &state->cancel_state};
    root.resume();
  });
  return Background(std::move(state));
}

void Background::cancel() {
  if (!state_ || state_->over.exchange(true)) return;
  // Always by a job: the caller may be deep inside what the cancellation would resume.
  state_->executor.post([state = state_] { state->cancel_state.cancel(); });
}

}  // namespace cloudless::net
