// etcdserverpb.Maintenance and Cluster: status, space, checksums, snapshots, and a cluster of one member. For
// .cpp files alone.
#pragma once

#include "etcd/call.hpp"
#include "etcd/rpc.grpc.pb.h"
#include "etcd/server.hpp"

namespace cloudless::etcd {

class MaintenanceService final : public etcdserverpb::Maintenance::CallbackService {
 public:
  MaintenanceService(Backend& backend, const ServerOptions& options) : backend_(backend), options_(options) {}

  grpc::ServerUnaryReactor* Alarm(grpc::CallbackServerContext* context,
                                  const etcdserverpb::AlarmRequest* request,
                                  etcdserverpb::AlarmResponse* response) override;
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const etcdserverpb::StatusRequest* request,
                                   etcdserverpb::StatusResponse* response) override;
  grpc::ServerUnaryReactor* Defragment(grpc::CallbackServerContext* context,
                                       const etcdserverpb::DefragmentRequest* request,
                                       etcdserverpb::DefragmentResponse* response) override;
  grpc::ServerUnaryReactor* Hash(grpc::CallbackServerContext* context,
                                 const etcdserverpb::HashRequest* request,
                                 etcdserverpb::HashResponse* response) override;
  grpc::ServerUnaryReactor* HashKV(grpc::CallbackServerContext* context,
                                   const etcdserverpb::HashKVRequest* request,
                                   etcdserverpb::HashKVResponse* response) override;
  /// An archive of the store (store/archive.hpp), filled up with zeros to a multiple of 512 bytes, and its
  /// SHA-256, which is what etcdctl checks. remaining_bytes is an estimate until the last message.
  grpc::ServerWriteReactor<etcdserverpb::SnapshotResponse>* Snapshot(
      grpc::CallbackServerContext* context, const etcdserverpb::SnapshotRequest* request) override;
  grpc::ServerUnaryReactor* MoveLeader(grpc::CallbackServerContext* context,
                                       const etcdserverpb::MoveLeaderRequest* request,
                                       etcdserverpb::MoveLeaderResponse* response) override;

 private:
  Backend& backend_;
  const ServerOptions& options_;
  Method alarm_{backend_, "Maintenance", "Alarm"};
  Method status_{backend_, "Maintenance", "Status"};
  Method defragment_{backend_, "Maintenance", "Defragment"};
  Method hash_{backend_, "Maintenance", "Hash"};
  Method hash_kv_{backend_, "Maintenance", "HashKV"};
};

class ClusterService final : public etcdserverpb::Cluster::CallbackService {
 public:
  ClusterService(Backend& backend, const ServerOptions& options) : backend_(backend), options_(options) {}

  grpc::ServerUnaryReactor* MemberAdd(grpc::CallbackServerContext* context,
                                      const etcdserverpb::MemberAddRequest* request,
                                      etcdserverpb::MemberAddResponse* response) override;
  grpc::ServerUnaryReactor* MemberRemove(grpc::CallbackServerContext* context,
                                         const etcdserverpb::MemberRemoveRequest* request,
                                         etcdserverpb::MemberRemoveResponse* response) override;
  grpc::ServerUnaryReactor* MemberUpdate(grpc::CallbackServerContext* context,
                                         const etcdserverpb::MemberUpdateRequest* request,
                                         etcdserverpb::MemberUpdateResponse* response) override;
  grpc::ServerUnaryReactor* MemberPromote(grpc::CallbackServerContext* context,
                                          const etcdserverpb::MemberPromoteRequest* request,
                                          etcdserverpb::MemberPromoteResponse* response) override;
  grpc::ServerUnaryReactor* MemberList(grpc::CallbackServerContext* context,
                                       const etcdserverpb::MemberListRequest* request,
                                       etcdserverpb::MemberListResponse* response) override;

 private:
  Backend& backend_;
  const ServerOptions& options_;
  Method member_list_{backend_, "Cluster", "MemberList"};
};

}  // namespace cloudless::etcd
