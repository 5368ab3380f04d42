// StreamOperation: one read or one write of a gRPC stream that a task waits for. For .cpp files alone.
#pragma once

#include <mutex>
#include <optional>

#include "runtime/completion.hpp"
#include "runtime/scope.hpp"

namespace cloudless::etcd {

class StreamOperation {
 public:
  /// Before the operation is handed to gRPC; not while another is under way.
  runtime::Completion<bool> begin() {
    const std::lock_guard lock(mutex_);
    return done_.emplace();
  }
  /// What gRPC says: false where the peer is gone or has ended its side.
  void end(bool ok) {
    std::optional<runtime::Completion<bool>> done;
    {
      const std::lock_guard lock(mutex_);
      done = std::exchange(done_, std::nullopt);
    }
    done->complete(ok);
  }

 private:
  std::mutex mutex_;
  std::optional<runtime::Completion<bool>> done_;
};

/// Waits for the end of an operation. Not cancelled with the task: gRPC holds on to the message, as it does
/// to the stream, until the operation has ended.
inline runtime::Task<bool> ended(runtime::Completion<bool> done) {
  const auto context = co_await runtime::current_context();
  const Result<bool> ok = co_await runtime::run_in({context.executor, nullptr}, done.wait());
  co_return ok && *ok;
}

}  // namespace cloudless::etcd
