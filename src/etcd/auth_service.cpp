#include "etcd/auth_service.hpp"

namespace cloudless::etcd {

namespace pb = ::etcdserverpb;
using runtime::Task;

namespace {

// etcd's revision of users and roles before there are any (server/auth/store.go).
constexpr uint64_t kFirstAuthRevision = 1;

Task<Result<>> enable(Backend&, pb::AuthEnableRequest&, pb::AuthEnableResponse&) {
  co_return fail(Code::kConflict, "etcdserver: root user does not exist");
}

Task<Result<>> status(Backend& backend, pb::AuthStatusRequest&, pb::AuthStatusResponse& out) {
  backend.identity.fill(*out.mutable_header());
  out.set_authrevision(kFirstAuthRevision);
  co_return {};
}

Task<Result<>> authenticate(Backend&, pb::AuthenticateRequest&, pb::AuthenticateResponse&) {
  co_return fail(Code::kConflict, "etcdserver: authentication is not enabled");
}

}  // namespace

void add_auth_methods(GrpcMethods& methods, Backend& backend) {
  add_unary(methods, backend, "etcdserverpb.Auth", "AuthEnable", enable);
  add_unary(methods, backend, "etcdserverpb.Auth", "AuthStatus", status);
  add_unary(methods, backend, "etcdserverpb.Auth", "Authenticate", authenticate);
}

}  // namespace cloudless::etcd
