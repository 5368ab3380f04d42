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
    backend_.scope.spawn(finish(*this, reactor, std::move(call)));
    return reactor;
  }

 private:
  static runtime::Task<void> finish(Method& method, grpc::ServerUnaryReactor* reactor,
                                    runtime::Task<Result<>> call) {
    const Result<> done = co_await std::move(call);
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
