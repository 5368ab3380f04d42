// etcdserverpb.Watch: many watches on one stream. For .cpp files alone.
#pragma once

#include "etcd/call.hpp"
#include "etcd/rpc.grpc.pb.h"

namespace cloudless::etcd {

class WatchService final : public etcdserverpb::Watch::CallbackService {
 public:
  WatchService(Backend& backend, Duration progress_interval)
      : backend_(backend), progress_interval_(progress_interval) {}

  grpc::ServerBidiReactor<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>* Watch(
      grpc::CallbackServerContext* context) override;

 private:
  Backend& backend_;
  const Duration progress_interval_;
};

}  // namespace cloudless::etcd
