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
#include <optional>

#include "etcd/grpc_status.hpp"
#include "etcd/stream_operation.hpp"

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
    const runtime::Completion<bool> done = read_.begin();
    this->StartRead(&request_);
    if (!co_await ended(done)) co_return std::nullopt;
    co_return std::move(request_);
  }

  /// False where the client is gone. Not while another send() is under way.
  runtime::Task<bool> send(const Response& response) {
    const runtime::Completion<bool> done = write_.begin();
    this->StartWrite(&response);
    co_return co_await ended(done);
  }

  /// Returns once the client is gone or the server stops: a client that has ended its side may still listen.
  runtime::Task<void> gone() {
    const auto context = co_await runtime::current_context();
    static_cast<void>(co_await runtime::run_in({context.executor, nullptr}, cancelled_.wait()));
  }

  void OnReadDone(bool ok) override { read_.end(ok); }
  void OnWriteDone(bool ok) override { write_.end(ok); }
  void OnCancel() override { cancelled_.complete(true); }
  void OnDone() override { delete this; }

 private:
  static runtime::Task<void> run(BidiStream& stream) {
    const Result<> served = co_await stream.serve_(stream);
    stream.Finish(served ? grpc::Status::OK : to_grpc(served.error()));
  }

  const Serve serve_;
  Request request_;
  StreamOperation read_;
  StreamOperation write_;
  const runtime::Completion<bool> cancelled_;
};

}  // namespace cloudless::etcd
