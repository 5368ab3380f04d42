#include "apiserver/registry/compactor.hpp"

#include "runtime/timer.hpp"

namespace cloudless::apiserver {

Compactor::Compactor(store::Store& store, Duration interval, runtime::Executor& executor, Logger log)
    : store_(store), interval_(interval), log_(std::move(log)), scope_(executor, log_) {}

void Compactor::start() { scope_.spawn(run()); }

runtime::Task<void> Compactor::stop() {
  scope_.cancel();
  co_await scope_.join();
}

runtime::Task<void> Compactor::run() {
  store::Revision previous = 0;
  for (;;) {
    if (!co_await runtime::sleep_for(interval_)) co_return;
    const Result<store::Status> status = co_await store_.status();
    if (!status) continue;
    // Nothing has happened since: an idle store is not written to.
    if (previous > status->compact_revision && status->revision > previous) {
      const Result<store::Revision> compacted = co_await store_.compact(previous, false);
      if (!compacted) log_.warn("old revisions cannot be compacted", {{"error", compacted.error()}});
    }
    previous = status->revision;
  }
}

}  // namespace cloudless::apiserver
