#include "cli/short_work.hpp"

#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::cli {

using runtime::Task;

Result<> run_short_work(const Logger& log, const std::function<Task<Result<>>(const ShortWork& work)>& work) {
  runtime::WorkerPool workers("resolver", 1, 10);
  net::Resolver resolver(workers);
  SystemRandom random;
  runtime::LoopThread thread("short-work");
  const ShortWork session{resolver, random, thread.loop().clock(), log};
  return runtime::run_blocking(thread.loop(), work(session));
}

}  // namespace cloudless::cli
