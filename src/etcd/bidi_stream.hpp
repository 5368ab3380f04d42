// BidiStream: a gRPC stream as a task sees it: receive() and send(), with one read and one write under way at
// a time, so that a slow peer holds back its own stream and costs one message of memory. For .cpp files
// alone.
//
//     reactor callbacks (gRPC's threads) --Completion--> the stream's task (the loop)
//
// The task ends the stream by returning: then Finish() is called, and the stream frees itself after OnDone().
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <mutex>
#include <optional>

#include "etcd/grpc_status.hpp"
#include "runtime/completion.hpp"
#include "runtime/scope.hpp"

namespace cloudless::etcd {

template <class Request, class Response>
class BidiStream final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  /// `serve` runs on the scope's executor; its error is the status that the client gets.
  using Serve = std::function<runtime::Task<Result<>>(BidiStream& stream)>;

  BidiStream(runtime::TaskScope& scope, Serve serve) : serve_(std::move(serve)) { scope.spawn(run(*this)); }

  /// The next message; nothing once the client has ended its side or is gone.
  runtime::Task<std::optional<Request>> receive() {
    request_.Clear();
    const runtime::Completion<bool> done;
    set(read_done_, done);
    this->StartRead(&request_);
    // Not cancelled with the task: gRPC holds on to the message until the read has ended, as it does with the
    // stream.
    const auto context = co_await runtime::current_context();
    const Result<bool> ok = co_await runtime::run_in({context.executor, nullptr}, done.wait());
    if (!ok || !*ok) co_return std::nullopt;
    co_return std::move(request_);
  }

  /// False where the client is gone. Not while another send() is under way.
  runtime::Task<bool> send(const Response& response) {
    const runtime::Completion<bool> done;
    set(write_done_, done);
    this->StartWrite(&response);
    const auto context = co_await runtime::current_context();
    const Result<bool> ok = co_await runtime::run_in({context.executor, nullptr}, done.wait());
    co_return ok && *ok;
  }

  void OnReadDone(bool ok) override { take(read_done_).complete(ok); }
  void OnWriteDone(bool ok) override { take(write_done_).complete(ok); }
  void OnDone() override { delete this; }

 private:
  static runtime::Task<void> run(BidiStream& stream) {
    const Result<> served = co_await stream.serve_(stream);
    stream.Finish(served ? grpc::Status::OK : to_grpc(served.error()));
  }

  void set(std::optional<runtime::Completion<bool>>& slot, const runtime::Completion<bool>& done) {
    const std::lock_guard lock(mutex_);
    slot = done;
  }
  runtime::Completion<bool> take(std::optional<runtime::Completion<bool>>& slot) {
    const std::lock_guard lock(mutex_);
    return *std::exchange(slot, std::nullopt);
  }

  const Serve serve_;
  Request request_;
  std::mutex mutex_;
  std::optional<runtime::Completion<bool>> read_done_;
  std::optional<runtime::Completion<bool>> write_done_;
};

}  // namespace cloudless::etcd
