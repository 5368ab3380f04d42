// Cluster: the connections to a cluster's members, and unary calls over them as tasks. For .cpp files alone.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <vector>

#include "etcd/grpc_status.hpp"
#include "etcd/remote_store.hpp"
#include "etcd/rpc.grpc.pb.h"
#include "runtime/completion.hpp"

namespace cloudless::etcd {

/// A call that takes longer has failed; etcd itself gives up after 7 seconds (--election-timeout).
inline constexpr std::chrono::seconds kCallLimit{15};

/// May a call be made again on another member?
enum class Repeat { kNever, kOnAnotherMember };

class Cluster {
 public:
  struct Member {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<etcdserverpb::KV::Stub> kv;
    std::unique_ptr<etcdserverpb::Watch::Stub> watch;
    std::unique_ptr<etcdserverpb::Lease::Stub> lease;
    std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
  };

  explicit Cluster(std::vector<Member> members) : members_(std::move(members)) {}

  /// The member in use, or the next one that is not known to be away.
  Member& member() {
    for (size_t i = 0; i < members_.size(); ++i) {
      Member& candidate = members_[current_ % members_.size()];
      if (candidate.channel->GetState(true) != GRPC_CHANNEL_TRANSIENT_FAILURE) return candidate;
      move_on();
    }
    return members_[current_ % members_.size()];
  }
  /// The member in use does not answer.
  void move_on() { current_.fetch_add(1); }
  std::vector<Member>& members() { return members_; }

  /// `method(member)` is a stub's async call: `[](Member& m) { return m.kv->async(); }` with the name of the
  /// method.
  template <class Response, class Request, class Async, class Name>
  runtime::Task<Result<Response>> call(Async async, Name name, Request request,
                                       Repeat repeat = Repeat::kNever) {
    const size_t attempts = repeat == Repeat::kNever ? 1 : members_.size() + 1;
    Error error;
    for (size_t i = 0; i < attempts; ++i) {
      auto answer = co_await call_once<Response>(async(member()), name, request);
      if (answer || answer.error().code != Code::kUnavailable) co_return answer;
      error = answer.error();
      move_on();
    }
    co_return std::unexpected(error);
  }

 private:
  template <class Response, class Async, class Name, class Request>
  static runtime::Task<Result<Response>> call_once(Async* async, Name name, Request request) {
    struct Call {
      grpc::ClientContext context;
      Request request;
      Response response;
    };
    const auto call = std::make_shared<Call>();
    call->request = std::move(request);
    call->context.set_deadline(std::chrono::system_clock::now() + kCallLimit);
    const runtime::Completion<grpc::Status> done;
    name(async, &call->context, &call->request, &call->response,
         [call, done](const grpc::Status& status) { done.complete(status); });
    const auto status = co_await done.wait();
    if (!status) {
      call->context.TryCancel();
      co_return std::unexpected(status.error());
    }
    if (!status->ok()) co_return std::unexpected(from_grpc(*status));
    co_return std::move(call->response);
  }

  std::vector<Member> members_;
  std::atomic<size_t> current_{0};
};

}  // namespace cloudless::etcd
