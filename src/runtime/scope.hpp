// TaskScope: owns the tasks that were spawned in it. Nothing runs outside a scope, and a scope is not left
// before all its tasks have ended: cancel(), then join() (or Executor jobs until idle()), then destroy.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "runtime/channel.hpp"
#include "runtime/task.hpp"

namespace cloudless::runtime {

class TaskScope {
 public:
  /// `log` is told of exceptions that end a task.
  TaskScope(Executor& executor, Logger log);
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  /// The scope must be idle.
  ~TaskScope();

  /// Starts `task` on the scope's executor by a posted job. Any thread. A task spawned after cancel() starts
  /// cancelled.
  void spawn(Task<void> task);
  /// Asks all tasks, and those to come, to end. Any thread; takes effect on the executor's.
  void cancel();
  /// Returns when no task is left. Not from a task of this scope.
  Task<void> join();

  bool idle() const;
  bool cancelled() const;
  Executor& executor() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace cloudless::runtime
