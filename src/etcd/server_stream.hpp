// ServerStream: a gRPC call that is answered by a stream, as a task sees it: send(), one at a time, so that a
// slow peer costs one message of memory. For .cpp files alone.
//
// The task ends the stream by returning: then Finish() is called, and the stream frees itself after OnDone().
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>

#include "etcd/grpc_status.hpp"
#include "etcd/stream_operation.hpp"

namespace cloudless::etcd {

template <class Response>
class ServerStream final : public grpc::ServerWriteReactor<Response> {
 public:
  /// `serve` runs on the scope's executor; its error is the status that the client gets.
  using Serve = std::function<runtime::Task<Result<>>(ServerStream& stream)>;

  ServerStream(runtime::TaskScope& scope, Serve serve) : serve_(std::move(serve)) { scope.spawn(run(*this)); }

  /// kUnavailable where the client is gone. Not while another send() is under way.
  runtime::Task<Result<>> send(const Response& response) {
    const runtime::Completion<bool> done = write_.begin();
    this->StartWrite(&response);
    if (co_await ended(done)) co_return Result<>();
    co_return fail(Code::kUnavailable, "the client is gone");
  }

  void OnWriteDone(bool ok) override { write_.end(ok); }
  void OnDone() override { delete this; }

 private:
  static runtime::Task<void> run(ServerStream& stream) {
    const Result<> served = co_await stream.serve_(stream);
    stream.Finish(served ? grpc::Status::OK : to_grpc(served.error()));
  }

  const Serve serve_;
  StreamOperation write_;
};

}  // namespace cloudless::etcd
