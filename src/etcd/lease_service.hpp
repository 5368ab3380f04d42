// etcdserverpb.Lease: leases and their keep-alives. For .cpp files alone.
#pragma once

#include "etcd/call.hpp"
#include "etcd/rpc.grpc.pb.h"

namespace cloudless::etcd {

class LeaseService final : public etcdserverpb::Lease::CallbackService {
 public:
  explicit LeaseService(Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* LeaseGrant(grpc::CallbackServerContext* context,
                                       const etcdserverpb::LeaseGrantRequest* request,
                                       etcdserverpb::LeaseGrantResponse* response) override;
  grpc::ServerUnaryReactor* LeaseRevoke(grpc::CallbackServerContext* context,
                                        const etcdserverpb::LeaseRevokeRequest* request,
                                        etcdserverpb::LeaseRevokeResponse* response) override;
  grpc::ServerBidiReactor<etcdserverpb::LeaseKeepAliveRequest, etcdserverpb::LeaseKeepAliveResponse>*
  LeaseKeepAlive(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* LeaseTimeToLive(grpc::CallbackServerContext* context,
                                            const etcdserverpb::LeaseTimeToLiveRequest* request,
                                            etcdserverpb::LeaseTimeToLiveResponse* response) override;
  grpc::ServerUnaryReactor* LeaseLeases(grpc::CallbackServerContext* context,
                                        const etcdserverpb::LeaseLeasesRequest* request,
                                        etcdserverpb::LeaseLeasesResponse* response) override;

 private:
  Backend& backend_;
  Method lease_grant_{backend_, "Lease", "LeaseGrant"};
  Method lease_revoke_{backend_, "Lease", "LeaseRevoke"};
  Method lease_time_to_live_{backend_, "Lease", "LeaseTimeToLive"};
  Method lease_leases_{backend_, "Lease", "LeaseLeases"};
};

}  // namespace cloudless::etcd
