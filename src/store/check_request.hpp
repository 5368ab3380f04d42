// What is wrong with a request on its face, before any state is looked at: etcd's checks in etcd's order
// (server/etcdserver/api/v3rpc/key.go).
#pragma once

#include "base/result.hpp"
#include "store/types.hpp"

namespace cloudless::store {

struct RequestLimits {
  size_t max_txn_ops = 128;
  size_t max_request_bytes = 3 << 19;
};

Result<> check_request(const RangeRequest& request);
Result<> check_request(const PutRequest& request, const RequestLimits& limits);
Result<> check_request(const DeleteRangeRequest& request);
/// With the rule that no key is put twice, or put and deleted, on any one path through the transaction.
Result<> check_request(const TxnRequest& request, const RequestLimits& limits);

/// Bytes of keys and values, which is what a request takes in queues.
size_t request_bytes(const TxnRequest& request);

}  // namespace cloudless::store
