#include "etcd/health_service.hpp"

#include "etcd/health.pb.h"

namespace cloudless::etcd {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;
using runtime::Task;

namespace {

Task<Result<>> check(Backend&, HealthCheckRequest& request, HealthCheckResponse& out) {
  if (!request.service().empty()) co_return fail(Code::kNotFound, "unknown service");
  out.set_status(HealthCheckResponse::SERVING);
  co_return {};
}

// A watch tells the state at once and then each change; there is none while the server runs.
Task<Result<>> watch(grpc::ServerStream& raw) {
  RequestStream<HealthCheckRequest> stream(raw);
  const auto request = CO_TRY(co_await stream.receive());
  HealthCheckResponse response;
  const bool known = request && request->service().empty();
  response.set_status(known ? HealthCheckResponse::SERVING : HealthCheckResponse::SERVICE_UNKNOWN);
  CO_TRY(co_await stream.send(response));
  co_await raw.gone();
  co_return {};
}

}  // namespace

void add_health_methods(grpc::Methods& methods, Backend& backend) {
  add_unary(methods, backend, "grpc.health.v1.Health", "Check", check);
  methods["/grpc.health.v1.Health/Watch"].streaming = watch;
}

}  // namespace cloudless::etcd
