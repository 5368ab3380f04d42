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
      return grpc::StatusCode::FAILED_PRECONDITION;
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

Error from_grpc(const grpc::Status& status) {
  using store::errors::compacted;
  const std::string& text = status.error_message();
  // Where a code means several things, etcd's text tells which.
  for (const Error& known : {compacted(), store::errors::future_revision(), store::errors::lease_exists(),
                             store::errors::lease_ttl_too_large()}) {
    if (text == known.message) return known;
  }
  switch (status.error_code()) {
    case grpc::StatusCode::CANCELLED:
      return {Code::kCancelled, text};
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE:
      return {Code::kInvalid, text};
    case grpc::StatusCode::NOT_FOUND:
      return {Code::kNotFound, text};
    case grpc::StatusCode::ALREADY_EXISTS:
      return {Code::kAlreadyExists, text};
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ABORTED:
      return {Code::kConflict, text};
    case grpc::StatusCode::UNAUTHENTICATED:
      return {Code::kUnauthenticated, text};
    case grpc::StatusCode::PERMISSION_DENIED:
      return {Code::kPermissionDenied, text};
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return {Code::kResourceExhausted, text};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {Code::kDeadlineExceeded, text};
    case grpc::StatusCode::UNAVAILABLE:
      return {Code::kUnavailable, text};
    case grpc::StatusCode::UNIMPLEMENTED:
      return {Code::kUnimplemented, text};
    case grpc::StatusCode::DATA_LOSS:
      return {Code::kDataLoss, text};
    default:
      return {Code::kInternal, text};
  }
}

grpc::Status to_grpc(const Error& error) { return {code_of(error), error.message}; }

}  // namespace cloudless::etcd
