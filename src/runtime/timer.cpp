#include "runtime/timer.hpp"

namespace cloudless::runtime {

namespace {

struct Sleeper {
  std::mutex mutex;
  std::shared_ptr<Waiter> waiter;
};

}  // namespace

Task<Result<>> sleep_for(Duration duration) {
  const TaskContext context = co_await current_context();
  const auto sleeper = std::make_shared<Sleeper>();
  Executor::TimerId timer = 0;
  const auto enlist = [&](const std::shared_ptr<Waiter>& waiter) {
    sleeper->waiter = waiter;
    timer = context.executor->call_after(duration, [sleeper] {
      {
        const std::lock_guard lock(sleeper->mutex);
        if (!sleeper->waiter->claim()) return;
      }
      sleeper->waiter->resume();
    });
    return true;
  };
  if (co_await Suspension(sleeper->mutex, enlist)) co_return {};
  context.executor->cancel(timer);
  co_return fail(Code::kCancelled, "cancelled");
}

}  // namespace cloudless::runtime
