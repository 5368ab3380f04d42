#include "etcd/lease_service.hpp"

namespace cloudless::etcd {

using runtime::Task;
namespace pb = ::etcdserverpb;

namespace {

using KeepAliveStream = RequestStream<pb::LeaseKeepAliveRequest>;

// Lease answers carry the store's present revision.
Task<Result<>> fill_header(Backend& backend, pb::ResponseHeader& header) {
  header.set_revision(CO_TRY(co_await backend.store.revision()));
  backend.identity.fill(header);
  co_return {};
}

Task<Result<>> grant(Backend& backend, pb::LeaseGrantRequest& request, pb::LeaseGrantResponse& out) {
  const store::Lease lease =
      CO_TRY(co_await backend.store.grant_lease(request.id(), std::chrono::seconds(request.ttl())));
  out.set_id(lease.id);
  out.set_ttl(lease.granted_ttl.count());
  co_return co_await fill_header(backend, *out.mutable_header());
}

Task<Result<>> revoke(Backend& backend, pb::LeaseRevokeRequest& request, pb::LeaseRevokeResponse& out) {
  out.mutable_header()->set_revision(CO_TRY(co_await backend.store.revoke_lease(request.id())));
  backend.identity.fill(*out.mutable_header());
  co_return {};
}

Task<Result<>> time_to_live(Backend& backend, pb::LeaseTimeToLiveRequest& request,
                            pb::LeaseTimeToLiveResponse& out) {
  const store::Lease lease = CO_TRY(co_await backend.store.lease_time_to_live(request.id(), request.keys()));
  out.set_id(request.id());
  out.set_ttl(lease.ttl.count());
  out.set_grantedttl(lease.granted_ttl.count());
  for (const std::string& key : lease.keys) out.add_keys(key);
  co_return co_await fill_header(backend, *out.mutable_header());
}

Task<Result<>> list(Backend& backend, pb::LeaseLeasesRequest&, pb::LeaseLeasesResponse& out) {
  for (const store::LeaseId id : CO_TRY(co_await backend.store.leases())) out.add_leases()->set_id(id);
  co_return co_await fill_header(backend, *out.mutable_header());
}

// A lease that has expired is answered with TTL 0, which is not an error of the stream (lease.go).
Task<Result<>> keep_alive(Backend& backend, grpc::ServerStream& raw) {
  KeepAliveStream stream(raw);
  for (;;) {
    const auto request = CO_TRY(co_await stream.receive());
    if (!request) co_return {};
    pb::LeaseKeepAliveResponse response;
    response.set_id(request->id());
    const auto ttl = co_await backend.store.keep_lease_alive(request->id());
    if (!ttl && ttl.error().code != Code::kNotFound) co_return std::unexpected(ttl.error());
    response.set_ttl(ttl ? ttl->count() : 0);
    CO_TRY(co_await fill_header(backend, *response.mutable_header()));
    if (!co_await stream.send(response)) co_return {};
  }
}

}  // namespace

void add_lease_methods(grpc::Methods& methods, Backend& backend) {
  add_unary(methods, backend, "etcdserverpb.Lease", "LeaseGrant", grant);
  add_unary(methods, backend, "etcdserverpb.Lease", "LeaseRevoke", revoke);
  add_unary(methods, backend, "etcdserverpb.Lease", "LeaseTimeToLive", time_to_live);
  add_unary(methods, backend, "etcdserverpb.Lease", "LeaseLeases", list);
  methods["/etcdserverpb.Lease/LeaseKeepAlive"].streaming = [&backend](grpc::ServerStream& stream) {
    return keep_alive(backend, stream);
  };
}

}  // namespace cloudless::etcd
