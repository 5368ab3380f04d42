// What the services share: answering a unary call by a task on the server's loop, and the response header.
// For .cpp files alone.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

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
  Identity identity;
};

namespace detail {

inline runtime::Task<void> finish(grpc::ServerUnaryReactor* reactor, runtime::Task<Result<>> call) {
  const Result<> done = co_await std::move(call);
  reactor->Finish(done ? grpc::Status::OK : to_grpc(done.error()));
}

}  // namespace detail

/// Finishes the call with the outcome of `task`, which fills the response. gRPC keeps request and response
/// alive until then.
inline grpc::ServerUnaryReactor* answer(Backend& backend, grpc::CallbackServerContext* context,
                                        runtime::Task<Result<>> task) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  backend.scope.spawn(detail::finish(reactor, std::move(task)));
  return reactor;
}

}  // namespace cloudless::etcd
