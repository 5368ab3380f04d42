// Background: a task that runs beside the one that started it and ends when its handle is destroyed or
// cancelled. Unlike a TaskScope its handle may go while the task still unwinds, also from inside the task; so
// what the task uses it must own or share.
#pragma once

#include <functional>
#include <memory>

#include "base/log.hpp"
#include "runtime/task.hpp"

namespace cloudless::net {

class Background {
 public:
  Background() = default;
  Background(Background&&) noexcept = default;
  Background& operator=(Background&& other) noexcept;
  /// As cancel().
  ~Background() { cancel(); }

  /// Starts `task` on `executor` by a posted job.
  static Background start(runtime::Executor& executor, runtime::Task<void> task, Logger log = {});
  /// Asks the task to end; nothing after it has. Any thread; takes effect on the executor's.
  void cancel();
  /// Gives up the handle: the task runs to its end by itself.
  void detach() { state_ = nullptr; }

 private:
  struct State;
  explicit Background(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace cloudless::net
