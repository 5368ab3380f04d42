#include "etcd/status.hpp"

#include "store/errors.hpp"

namespace cloudless::etcd {

grpc::Status to_status(const Error& error) {
  grpc::Status status = grpc::to_status(error);
  // Two of etcd's lease errors have a code that their kind would not suggest.
  if (error == store::errors::lease_exists()) status.code = grpc::StatusCode::kFailedPrecondition;
  if (error == store::errors::lease_ttl_too_large()) status.code = grpc::StatusCode::kOutOfRange;
  return status;
}

Error from_status(const grpc::Status& status) {
  // Where a code means several things, etcd's text tells which.
  for (const Error& known : {store::errors::compacted(), store::errors::future_revision(),
                             store::errors::lease_exists(), store::errors::lease_ttl_too_large()}) {
    if (status.message == known.message) return known;
  }
  return grpc::to_error(status);
}

std::string code_name(const Error& error) { return std::string(grpc::name_of(to_status(error).code)); }

}  // namespace cloudless::etcd
