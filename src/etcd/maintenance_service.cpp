#include "etcd/maintenance_service.hpp"

#include <algorithm>

#include "etcd/server_stream.hpp"
#include "etcd/snapshot.hpp"

namespace cloudless::etcd {

using runtime::Task;
namespace pb = ::etcdserverpb;

namespace {

void fill_header(const Backend& backend, pb::ResponseHeader& header, store::Revision revision) {
  header.set_revision(revision);
  backend.identity.fill(header);
}

pb::AlarmType to_pb(store::AlarmType alarm) {
  return alarm == store::AlarmType::kNoSpace ? pb::NOSPACE : pb::CORRUPT;
}

void add_alarm(const Backend& backend, pb::AlarmResponse& out, pb::AlarmType alarm) {
  pb::AlarmMember* member = out.add_alarms();
  member->set_memberid(backend.identity.member_id);
  member->set_alarm(alarm);
}

// GET lists what is raised; DEACTIVATE answers with what it lifted. Raising an alarm by hand has no use here.
Task<Result<>> alarm(Backend& backend, const pb::AlarmRequest& request, pb::AlarmResponse& out) {
  const store::Status status = CO_TRY(co_await backend.store.status());
  fill_header(backend, *out.mutable_header(), status.revision);
  for (const store::AlarmType raised : status.alarms) {
    const bool asked = request.alarm() == pb::NONE || request.alarm() == to_pb(raised);
    if (!asked) continue;
    if (request.action() == pb::AlarmRequest::GET) add_alarm(backend, out, to_pb(raised));
    if (request.action() == pb::AlarmRequest::DEACTIVATE && CO_TRY(co_await backend.store.disarm(raised))) {
      add_alarm(backend, out, to_pb(raised));
    }
  }
  if (request.action() == pb::AlarmRequest::ACTIVATE) {
    co_return fail(Code::kUnimplemented, "etcdserver: alarms are raised by the server alone");
  }
  co_return {};
}

Task<Result<>> status(Backend& backend, const std::string& version, pb::StatusResponse& out) {
  const store::Status status = CO_TRY(co_await backend.store.status());
  fill_header(backend, *out.mutable_header(), status.revision);
  out.set_version(version);
  out.set_storageversion(version.substr(0, version.rfind('.')) + ".0");
  out.set_dbsize(status.db_size_bytes);
  out.set_dbsizeinuse(status.db_size_in_use_bytes);
  out.set_leader(backend.identity.member_id);
  out.set_raftterm(Identity::kRaftTerm);
  out.set_raftindex(static_cast<uint64_t>(status.revision));
  out.set_raftappliedindex(static_cast<uint64_t>(status.revision));
  if (!status.reason.empty()) out.add_errors(status.reason);
  for (const store::AlarmType raised : status.alarms) {
    out.add_errors(
        fmt::format("memberID:{} alarm:{} ", backend.identity.member_id, pb::AlarmType_Name(to_pb(raised))));
  }
  co_return {};
}

Task<Result<>> defragment(Backend& backend) { co_return co_await backend.store.defragment(); }

Task<Result<>> hash(Backend& backend, pb::HashResponse& out) {
  const store::HashKv hash = CO_TRY(co_await backend.store.hash_kv(0));
  fill_header(backend, *out.mutable_header(), hash.revision);
  out.set_hash(hash.hash);
  co_return {};
}

Task<Result<>> hash_kv(Backend& backend, store::Revision revision, pb::HashKVResponse& out) {
  const store::HashKv hash = CO_TRY(co_await backend.store.hash_kv(revision));
  fill_header(backend, *out.mutable_header(), CO_TRY(co_await backend.store.status()).revision);
  out.set_hash(hash.hash);
  out.set_hash_revision(hash.revision);
  out.set_compact_revision(hash.compact_revision);
  co_return {};
}

Task<Result<>> member_list(Backend& backend, const ServerOptions& options, pb::MemberListResponse& out) {
  fill_header(backend, *out.mutable_header(), CO_TRY(co_await backend.store.status()).revision);
  pb::Member* member = out.add_members();
  member->set_id(backend.identity.member_id);
  member->set_name(options.member_name);
  for (const std::string& url : options.advertise_urls) {
    member->add_clienturls(url);
    member->add_peerurls(url);
  }
  co_return {};
}

// etcd's words (api/v3rpc/rpctypes/error.go).
const grpc::Status kNotReconfigurable(
    grpc::StatusCode::FAILED_PRECONDITION,
    "etcdserver: re-configuration failed due to not enough started members");
const grpc::Status kMemberNotFound(grpc::StatusCode::NOT_FOUND, "etcdserver: member not found");
const grpc::Status kNotLearner(grpc::StatusCode::FAILED_PRECONDITION,
                               "etcdserver: can only promote a learner member");

bool is_member(const Backend& backend, uint64_t id) { return id == backend.identity.member_id; }

grpc::ServerUnaryReactor* finish(grpc::CallbackServerContext* context, const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* MaintenanceService::Alarm(grpc::CallbackServerContext* context,
                                                    const pb::AlarmRequest* request,
                                                    pb::AlarmResponse* response) {
  return alarm_.answer(context, alarm(backend_, *request, *response));
}

grpc::ServerUnaryReactor* MaintenanceService::Status(grpc::CallbackServerContext* context,
                                                     const pb::StatusRequest*, pb::StatusResponse* response) {
  return status_.answer(context, status(backend_, options_.version, *response));
}

grpc::ServerUnaryReactor* MaintenanceService::Defragment(grpc::CallbackServerContext* context,
                                                         const pb::DefragmentRequest*,
                                                         pb::DefragmentResponse*) {
  return defragment_.answer(context, defragment(backend_));
}

grpc::ServerUnaryReactor* MaintenanceService::Hash(grpc::CallbackServerContext* context,
                                                   const pb::HashRequest*, pb::HashResponse* response) {
  return hash_.answer(context, hash(backend_, *response));
}

grpc::ServerUnaryReactor* MaintenanceService::HashKV(grpc::CallbackServerContext* context,
                                                     const pb::HashKVRequest* request,
                                                     pb::HashKVResponse* response) {
  return hash_kv_.answer(context, hash_kv(backend_, request->revision(), *response));
}

grpc::ServerWriteReactor<pb::SnapshotResponse>* MaintenanceService::Snapshot(grpc::CallbackServerContext*,
                                                                             const pb::SnapshotRequest*) {
  using Stream = ServerStream<pb::SnapshotResponse>;
  return new Stream(backend_.scope, [this](Stream& stream) {
    return send_snapshot(backend_, [this, &stream](pb::SnapshotResponse& piece) {
      backend_.identity.fill(*piece.mutable_header());
      piece.set_version(options_.version);
      return stream.send(piece);
    });
  });
}

grpc::ServerUnaryReactor* MaintenanceService::MoveLeader(grpc::CallbackServerContext* context,
                                                         const pb::MoveLeaderRequest* request,
                                                         pb::MoveLeaderResponse* response) {
  if (request->targetid() == backend_.identity.member_id) {
    backend_.identity.fill(*response->mutable_header());
    return finish(context, grpc::Status::OK);
  }
  return finish(context, {grpc::StatusCode::FAILED_PRECONDITION, "etcdserver: bad leader transferee"});
}

// The cluster is this one member, whatever is asked: etcd's words for a change that cannot be.
grpc::ServerUnaryReactor* ClusterService::MemberAdd(grpc::CallbackServerContext* context,
                                                    const pb::MemberAddRequest*, pb::MemberAddResponse*) {
  return finish(context, kNotReconfigurable);
}

grpc::ServerUnaryReactor* ClusterService::MemberRemove(grpc::CallbackServerContext* context,
                                                       const pb::MemberRemoveRequest* request,
                                                       pb::MemberRemoveResponse*) {
  return finish(context, is_member(backend_, request->id()) ? kNotReconfigurable : kMemberNotFound);
}

grpc::ServerUnaryReactor* ClusterService::MemberUpdate(grpc::CallbackServerContext* context,
                                                       const pb::MemberUpdateRequest* request,
                                                       pb::MemberUpdateResponse*) {
  return finish(context, is_member(backend_, request->id()) ? kNotReconfigurable : kMemberNotFound);
}

grpc::ServerUnaryReactor* ClusterService::MemberPromote(grpc::CallbackServerContext* context,
                                                        const pb::MemberPromoteRequest* request,
                                                        pb::MemberPromoteResponse*) {
  return finish(context, is_member(backend_, request->id()) ? kNotLearner : kMemberNotFound);
}

grpc::ServerUnaryReactor* ClusterService::MemberList(grpc::CallbackServerContext* context,
                                                     const pb::MemberListRequest*,
                                                     pb::MemberListResponse* response) {
  return member_list_.answer(context, member_list(backend_, options_, *response));
}

}  // namespace cloudless::etcd
