// The store's errors as gRPC statuses, with etcd's codes (api/v3rpc/rpctypes/error.go).
#pragma once

#include "grpc/status.hpp"

namespace cloudless::etcd {

grpc::Status to_status(const Error& error);
/// What etcd answered, as the store's error.
Error from_status(const grpc::Status& status);
/// The code's name as Go's gRPC has it: "NotFound".
std::string code_name(const Error& error);

}  // namespace cloudless::etcd
