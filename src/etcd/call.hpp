// What the services share: answering a unary call by a task on the server's loop, the response header, and
// the counting of calls.
// For .cpp files alone.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "base/metrics.hpp"
#include "etcd/grpc_status.hpp"
#include "etcd/rpc.pb.h"
#include "runtime/scope.hpp"
#include "store/store.hpp"

namespace cloudless::etcd {

/// What every response says of who answered: a cluster of one member, whose term never changes.
struct Identity {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  static constexpr uint64_t kRaftTerm = 2;

  void fill(etcdserverpb::ResponseHeader& header) const {
    header.set_cluster_id(cluster_id);
    header.set_member_id(member_id);
    header.set_raft_term(kRaftTerm);
  }
};

/// What the services work with.
struct Backend {
  store::Store& store;
  runtime::TaskScope& scope;
  /// grpc_server_handled_total: grpc_type, grpc_service, grpc_method, grpc_code.
  metrics::Family<metrics::Counter>& handled;
  Identity identity;
};

/// A coroutine that belongs to a call: gRPC keeps the call until it is finished, so nobody has to wait for
/// it. It starts on gRPC's thread, which saves a change of threads, and goes on where the store's answers
/// arrive, on the server's loop.
struct CallTask {
  struct promise_type {
    runtime::TaskContext context;

    template <class... Rest>
    promise_type(Backend& backend, Rest&...) : context{&backend.scope.executor(), nullptr} {}
    CallTask get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

/// A unary method with its counters.
class Method {
 public:
  Method(Backend& backend, std::string service, std::string name)
      : backend_(backend),
        service_("etcdserverpb." + std::move(service)),
        name_(std::move(name)),
        succeeded_(backend.handled.with({"unary", service_, name_, "OK"})) {}

  /// Finishes the call with the outcome of `call`, which fills the response. gRPC keeps request and response
  /// alive until then.
  grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context, runtime::Task<Result<>> call) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    finish(backend_, *this, reactor, std::move(call));
    return reactor;
  }

 private:
  static CallTask finish(Backend&, Method& method, grpc::ServerUnaryReactor* reactor,
                         runtime::Task<Result<>> call) {
    Result<> done;
    try {
      done = co_await std::move(call);
    } catch (const std::exception& error) {
      done = fail(Code::kInternal, "{}", error.what());
    }
    method.count(done);
    reactor->Finish(done ? grpc::Status::OK : to_grpc(done.error()));
  }
  void count(const Result<>& done) {
    if (done) {
      succeeded_.add();
    } else {
      backend_.handled.with({"unary", service_, name_, code_name(done.error())}).add();
    }
  }

  Backend& backend_;
  const std::string service_;
  const std::string name_;
  metrics::Counter& succeeded_;
};

}  // namespace cloudless::etcd
