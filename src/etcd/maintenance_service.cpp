#include "etcd/maintenance_service.hpp"

#include <algorithm>

#include "etcd/snapshot.hpp"

namespace cloudless::etcd {

using runtime::Task;
namespace pb = ::etcdserverpb;

namespace {

void fill_header(const Backend& backend, pb::ResponseHeader& header, store::Revision revision) {
  header.set_revision(revision);
  backend.identity.fill(header);
}

// What etcd says where there was no compaction (mvcc/kvstore.go).
constexpr int64_t kNeverCompacted = -1;

pb::AlarmType to_pb(store::AlarmType alarm) {
  return alarm == store::AlarmType::kNoSpace ? pb::NOSPACE : pb::CORRUPT;
}

void add_alarm(const Backend& backend, pb::AlarmResponse& out, pb::AlarmType alarm) {
  pb::AlarmMember* member = out.add_alarms();
  member->set_memberid(backend.identity.member_id);
  member->set_alarm(alarm);
}

// GET lists what is raised; DEACTIVATE answers with what it lifted. Raising an alarm by hand has no use here.
Task<Result<>> alarm(Backend& backend, pb::AlarmRequest& request, pb::AlarmResponse& out) {
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

Task<Result<>> defragment(Backend& backend, pb::DefragmentRequest&, pb::DefragmentResponse&) {
  co_return co_await backend.store.defragment();
}

Task<Result<>> hash(Backend& backend, pb::HashRequest&, pb::HashResponse& out) {
  const store::HashKv hash = CO_TRY(co_await backend.store.hash_kv(0));
  fill_header(backend, *out.mutable_header(), hash.revision);
  out.set_hash(hash.hash);
  co_return {};
}

Task<Result<>> hash_kv(Backend& backend, pb::HashKVRequest& request, pb::HashKVResponse& out) {
  const store::HashKv hash = CO_TRY(co_await backend.store.hash_kv(request.revision()));
  fill_header(backend, *out.mutable_header(), CO_TRY(co_await backend.store.revision()));
  out.set_hash(hash.hash);
  out.set_hash_revision(hash.revision);
  out.set_compact_revision(hash.compact_revision > 0 ? hash.compact_revision : kNeverCompacted);
  co_return {};
}

// What is said of members has no revision, in etcd, too.
Task<Result<>> member_list(Backend& backend, const ServerOptions& options, pb::MemberListResponse& out) {
  backend.identity.fill(*out.mutable_header());
  pb::Member* member = out.add_members();
  member->set_id(backend.identity.member_id);
  member->set_name(options.member_name);
  for (const std::string& url : options.advertise_urls) {
    member->add_clienturls(url);
    member->add_peerurls(url);
  }
  co_return {};
}

// The cluster is this one member, whatever is asked: etcd's words for a change that cannot be
// (api/v3rpc/rpctypes/error.go).
Error not_reconfigurable() {
  return {Code::kConflict, "etcdserver: re-configuration failed due to not enough started members"};
}
Error member_not_found() { return {Code::kNotFound, "etcdserver: member not found"}; }

bool is_member(const Backend& backend, uint64_t id) { return id == backend.identity.member_id; }

Task<Result<>> move_leader(Backend& backend, pb::MoveLeaderRequest& request, pb::MoveLeaderResponse&) {
  if (!is_member(backend, request.targetid())) {
    co_return fail(Code::kConflict, "etcdserver: bad leader transferee");
  }
  co_return {};
}

Task<Result<>> member_add(Backend&, pb::MemberAddRequest&, pb::MemberAddResponse&) {
  co_return std::unexpected(not_reconfigurable());
}

Task<Result<>> member_remove(Backend& backend, pb::MemberRemoveRequest& request, pb::MemberRemoveResponse&) {
  co_return std::unexpected(is_member(backend, request.id()) ? not_reconfigurable() : member_not_found());
}

Task<Result<>> member_update(Backend& backend, pb::MemberUpdateRequest& request, pb::MemberUpdateResponse&) {
  co_return std::unexpected(is_member(backend, request.id()) ? not_reconfigurable() : member_not_found());
}

Task<Result<>> member_promote(Backend& backend, pb::MemberPromoteRequest& request,
                              pb::MemberPromoteResponse&) {
  co_return std::unexpected(is_member(backend, request.id())
                                ? Error{Code::kConflict, "etcdserver: can only promote a learner member"}
                                : member_not_found());
}

using SnapshotStream = RequestStream<pb::SnapshotRequest>;

Task<Result<>> snapshot(Backend& backend, const std::string& version, SnapshotStream& stream) {
  co_return co_await send_snapshot(backend.store, [&](pb::SnapshotResponse& piece) {
    backend.identity.fill(*piece.mutable_header());
    piece.set_version(version);
    return stream.send(piece);
  });
}

}  // namespace

void add_maintenance_methods(grpc::Methods& methods, Backend& backend, const ServerOptions& options) {
  add_unary(methods, backend, "etcdserverpb.Maintenance", "Alarm", alarm);
  add_unary<pb::StatusRequest, pb::StatusResponse>(
      methods, backend, "etcdserverpb.Maintenance", "Status",
      [&](pb::StatusRequest&, pb::StatusResponse& out) { return status(backend, options.version, out); });
  add_unary(methods, backend, "etcdserverpb.Maintenance", "Defragment", defragment);
  add_unary(methods, backend, "etcdserverpb.Maintenance", "Hash", hash);
  add_unary(methods, backend, "etcdserverpb.Maintenance", "HashKV", hash_kv);
  add_unary(methods, backend, "etcdserverpb.Maintenance", "MoveLeader", move_leader);
  add_server_stream<pb::SnapshotRequest>(methods, "etcdserverpb.Maintenance", "Snapshot",
                                         [&](pb::SnapshotRequest&, SnapshotStream& stream) {
                                           return snapshot(backend, options.version, stream);
                                         });
}

void add_cluster_methods(grpc::Methods& methods, Backend& backend, const ServerOptions& options) {
  add_unary(methods, backend, "etcdserverpb.Cluster", "MemberAdd", member_add);
  add_unary(methods, backend, "etcdserverpb.Cluster", "MemberRemove", member_remove);
  add_unary(methods, backend, "etcdserverpb.Cluster", "MemberUpdate", member_update);
  add_unary(methods, backend, "etcdserverpb.Cluster", "MemberPromote", member_promote);
  add_unary<pb::MemberListRequest, pb::MemberListResponse>(
      methods, backend, "etcdserverpb.Cluster", "MemberList",
      [&](pb::MemberListRequest&, pb::MemberListResponse& out) {
        return member_list(backend, options, out);
      });
}

}  // namespace cloudless::etcd
