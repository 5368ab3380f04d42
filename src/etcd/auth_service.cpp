#include "etcd/auth_service.hpp"

namespace cloudless::etcd {

namespace pb = ::etcdserverpb;
using runtime::Task;

namespace {

// etcd's revision of users and roles before there are any (server/auth/store.go).
constexpr uint64_t kFirstAuthRevision = 1;

Task<Result<>> fill_header(Backend& backend, pb::ResponseHeader& header) {
  header.set_revision(CO_TRY(co_await backend.store.revision()));
  backend.identity.fill(header);
  co_return {};
}

Task<Result<>> enable(Backend&, pb::AuthEnableRequest&, pb::AuthEnableResponse&) {
  co_return fail(Code::kConflict, "etcdserver: root user does not exist");
}

using Answer = Task<Result<>> (*)(Backend&, pb::AuthRequest&, pb::AuthResponse&);

// What is off already, or of which there is none.
Task<Result<>> nothing(Backend& backend, pb::AuthRequest&, pb::AuthResponse& out) {
  co_return co_await fill_header(backend, *out.mutable_header());
}

Task<Result<>> no_such_user(Backend&, pb::AuthRequest&, pb::AuthResponse&) {
  co_return fail(Code::kConflict, "etcdserver: user name not found");
}

Task<Result<>> no_such_role(Backend&, pb::AuthRequest&, pb::AuthResponse&) {
  co_return fail(Code::kConflict, "etcdserver: role name not found");
}

Task<Result<>> not_supported(Backend&, pb::AuthRequest&, pb::AuthResponse&) {
  co_return fail(Code::kUnimplemented,
                 "etcdserver: users and roles are not supported; clients are known by their certificates");
}

constexpr std::pair<const char*, Answer> kAnswers[] = {
    {"AuthDisable", nothing},
    {"UserAdd", not_supported},
    {"UserGet", no_such_user},
    {"UserList", nothing},
    {"UserDelete", no_such_user},
    {"UserChangePassword", no_such_user},
    {"UserGrantRole", no_such_user},
    {"UserRevokeRole", no_such_user},
    {"RoleAdd", not_supported},
    {"RoleGet", no_such_role},
    {"RoleList", nothing},
    {"RoleDelete", no_such_role},
    {"RoleGrantPermission", no_such_role},
    {"RoleRevokePermission", no_such_role},
};

Task<Result<>> status(Backend& backend, pb::AuthStatusRequest&, pb::AuthStatusResponse& out) {
  CO_TRY(co_await fill_header(backend, *out.mutable_header()));
  out.set_authrevision(kFirstAuthRevision);
  co_return {};
}

Task<Result<>> authenticate(Backend&, pb::AuthenticateRequest&, pb::AuthenticateResponse&) {
  co_return fail(Code::kConflict, "etcdserver: authentication is not enabled");
}

}  // namespace

void add_auth_methods(grpc::Methods& methods, Backend& backend) {
  add_unary(methods, backend, "etcdserverpb.Auth", "AuthEnable", enable);
  for (const auto& [name, answer] : kAnswers) add_unary(methods, backend, "etcdserverpb.Auth", name, answer);
  add_unary(methods, backend, "etcdserverpb.Auth", "AuthStatus", status);
  add_unary(methods, backend, "etcdserverpb.Auth", "Authenticate", authenticate);
}

}  // namespace cloudless::etcd
