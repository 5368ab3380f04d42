#include "etcd/grpc_status.hpp"

#include <array>

#include "store/errors.hpp"

namespace cloudless::etcd {

namespace {

grpc::StatusCode code_of(const Error& error) {
  // Two of etcd's lease errors have a code that their kind would not suggest.
  if (error == store::errors::lease_exists()) return grpc::StatusCode::FAILED_PRECONDITION;
  if (error == store::errors::lease_ttl_too_large()) return grpc::StatusCode::OUT_OF_RANGE;
  switch (error.code) {
    case Code::kCancelled:
      return grpc::StatusCode::CANCELLED;
    case Code::kInvalid:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case Code::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case Code::kAlreadyExists:
      return grpc::StatusCode::ALREADY_EXISTS;
    case Code::kConflict:
      return grpc::StatusCode::ABORTED;
    case Code::kCompacted:
    case Code::kFutureRevision:
      return grpc::StatusCode::OUT_OF_RANGE;
    case Code::kUnauthenticated:
      return grpc::StatusCode::UNAUTHENTICATED;
    case Code::kPermissionDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
    case Code::kResourceExhausted:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case Code::kDeadlineExceeded:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case Code::kUnavailable:
      return grpc::StatusCode::UNAVAILABLE;
    case Code::kUnimplemented:
      return grpc::StatusCode::UNIMPLEMENTED;
    case Code::kDataLoss:
      return grpc::StatusCode::DATA_LOSS;
    case Code::kInternal:
      return grpc::StatusCode::INTERNAL;
  }
  return grpc::StatusCode::UNKNOWN;
}

// As Go's gRPC writes them, which is what dashboards match on.
std::string_view name_of(grpc::StatusCode code) {
  constexpr std::array<std::string_view, 17> kNames = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  return kNames.at(static_cast<size_t>(code));
}

}  // namespace

std::string code_name(const Error& error) { return std::string(name_of(code_of(error))); }

grpc::Status to_grpc(const Error& error) { return {code_of(error), error.message}; }

}  // namespace cloudless::etcd
