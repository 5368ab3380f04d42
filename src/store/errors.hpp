// The store's errors, with the texts that etcd's clients match on (api/v3rpc/rpctypes/error.go).
#pragma once

#include "base/result.hpp"

namespace cloudless::store::errors {

// OutOfRange on the wire.
inline Error compacted() {
  return {Code::kCompacted, "etcdserver: mvcc: required revision has been compacted"};
}
inline Error future_revision() {
  return {Code::kFutureRevision, "etcdserver: mvcc: required revision is a future revision"};
}

// InvalidArgument on the wire.
inline Error empty_key() { return {Code::kInvalid, "etcdserver: key is not provided"}; }
inline Error key_not_found() { return {Code::kInvalid, "etcdserver: key not found"}; }
inline Error value_provided() { return {Code::kInvalid, "etcdserver: value is provided"}; }
inline Error lease_provided() { return {Code::kInvalid, "etcdserver: lease is provided"}; }
inline Error too_many_ops() { return {Code::kInvalid, "etcdserver: too many operations in txn request"}; }
inline Error duplicate_key() { return {Code::kInvalid, "etcdserver: duplicate key given in txn request"}; }
inline Error invalid_sort_option() { return {Code::kInvalid, "etcdserver: invalid sort option"}; }
inline Error request_too_large() { return {Code::kInvalid, "etcdserver: request is too large"}; }

// NotFound, FailedPrecondition and OutOfRange on the wire.
inline Error lease_not_found() { return {Code::kNotFound, "etcdserver: requested lease not found"}; }
inline Error lease_exists() { return {Code::kAlreadyExists, "etcdserver: lease already exists"}; }
inline Error lease_ttl_too_large() { return {Code::kInvalid, "etcdserver: too large lease TTL"}; }

// ResourceExhausted on the wire.
inline Error no_space() { return {Code::kResourceExhausted, "etcdserver: mvcc: database space exceeded"}; }
inline Error too_many_requests() { return {Code::kResourceExhausted, "etcdserver: too many requests"}; }

// Unavailable on the wire.
inline Error stopped() { return {Code::kUnavailable, "etcdserver: server stopped"}; }

}  // namespace cloudless::store::errors
