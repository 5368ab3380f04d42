// Cluster: the channels to a cluster's members, and unary calls over them. For .cpp files alone.
#pragma once

#include <atomic>
#include <vector>

#include "etcd/rpc.pb.h"
#include "grpc/protobuf.hpp"

namespace cloudless::etcd {

/// A call that takes longer has failed; etcd itself gives up after 7 seconds (--election-timeout).
inline constexpr std::chrono::seconds kCallLimit{15};

/// May a call that has failed be made again on another member?
enum class Repeat {
  kIfNotSent,  // for what changes something: whether it happened is not known
  kAlways,
};

class Cluster {
 public:
  /// One or more members.
  explicit Cluster(std::vector<std::unique_ptr<grpc::Channel>> members) : members_(std::move(members)) {}

  size_t size() const { return members_.size(); }
  /// The member in use if it can be reached, or the next one that can.
  runtime::Task<Result<grpc::Channel*>> reachable_member() {
    Error error;
    for (size_t i = 0; i < members_.size(); ++i) {
      grpc::Channel& member = *members_[current_ % members_.size()];
      const Result<> connected = co_await member.connect();
      if (connected) co_return &member;
      error = connected.error();
      if (error.code == Code::kCancelled) break;
      move_on();
    }
    co_return std::unexpected(error);
  }
  /// The member in use does not answer.
  void move_on() { current_.fetch_add(1); }

  /// `method`: "KV/Range".
  template <class Response, class Request>
  runtime::Task<Result<Response>> call(std::string method, Request request,
                                       Repeat repeat = Repeat::kIfNotSent) {
    const size_t attempts = repeat == Repeat::kAlways ? members_.size() + 1 : 1;
    for (size_t attempt = 1;; ++attempt) {
      grpc::Channel* const member = CO_TRY(co_await reachable_member());
      auto answer = co_await grpc::call<Response>(*member, "/etcdserverpb." + method, request,
                                                  {.limit = kCallLimit, .metadata = {}});
      if (answer || answer.error().code != Code::kUnavailable) co_return answer;
      move_on();
      if (attempt == attempts) co_return answer;
    }
  }

  /// As grpc::Channel::close(), for all.
  void close(Duration limit) {
    for (const auto& member : members_) member->close(limit);
  }

 private:
  const std::vector<std::unique_ptr<grpc::Channel>> members_;
  std::atomic<size_t> current_{0};
};

}  // namespace cloudless::etcd
