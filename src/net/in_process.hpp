// InProcessTransport: a Transport that calls a Handler in this process. Request and response bodies are the
// same shared buffers that the other side made; nothing is copied or parsed. Streams are bounded like those
// of a connection, upgrades are pipes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "net/http.hpp"
#include "runtime/executor.hpp"

namespace cloudless::net {

/// Pieces of a response body that wait for the caller, and bytes that wait in each direction of a pipe.
inline constexpr size_t kInProcessQueuePieces = 64;
inline constexpr size_t kPipeBytes = 256 * 1024;

class InProcessTransport final : public Transport {
 public:
  /// Handlers run on `executor`, as `user` with `groups`; callers may be on any.
  InProcessTransport(runtime::Executor& executor, Handler handler, std::string user,
                     std::vector<std::string> groups, Logger log);
  /// Aborts what runs; the executor ends it soon after. What the handler uses must live until then: stop()
  /// first.
  ~InProcessTransport() override;

  runtime::Task<Result<Response>> send(Request request) override;
  /// Cancels all requests and returns when none is left.
  runtime::Task<void> stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Two ends of a pipe: what one writes the other reads. Thread-safe between the ends.
std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_pipe(
    size_t capacity_bytes = kPipeBytes);

}  // namespace cloudless::net
