// ShortWork: what a command does that asks a cluster something and ends: a loop and name resolution for as
// long as that takes.
#pragma once

#include <functional>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "net/tcp.hpp"
#include "runtime/task.hpp"

namespace cloudless::cli {

struct ShortWork {
  net::Resolver& resolver;
  Random& random;
  const Clock& clock;
  Logger log;
};

/// Blocks until the task that `work` makes has ended.
Result<> run_short_work(const Logger& log,
                        const std::function<runtime::Task<Result<>>(const ShortWork& work)>& work);

}  // namespace cloudless::cli
