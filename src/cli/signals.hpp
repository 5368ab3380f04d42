// Waiting for the signals that end a program: SIGINT and SIGTERM.
#pragma once

#include "runtime/event_loop.hpp"

namespace cloudless::cli {

/// Returns the number of the first of these signals that arrives, or kCancelled. A second one while the
/// program stops ends it at once, as its default action is restored.
runtime::Task<Result<int>> wait_for_termination(runtime::EventLoop& loop);

}  // namespace cloudless::cli
