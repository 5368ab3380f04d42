// Between etcd's messages and the store's structs. For the .cpp files of this part alone: protobuf headers
// are slow.
#pragma once

#include "base/result.hpp"
#include "etcd/rpc.pb.h"
#include "store/types.hpp"

namespace cloudless::etcd {

namespace pb = ::etcdserverpb;

/// Transactions may nest; etcd itself stops at gRPC's message size, we at this depth.
inline constexpr int kMaxTxnDepth = 32;

store::RangeRequest to_store(const pb::RangeRequest& request);
store::PutRequest to_store(pb::PutRequest&& request);
store::DeleteRangeRequest to_store(const pb::DeleteRangeRequest& request);
/// kInvalid for an operation or comparison without content, or too deep a nesting.
Result<store::TxnRequest> to_store(pb::TxnRequest&& request);
store::WatchRequest to_store(const pb::WatchCreateRequest& request);

void fill(mvccpb::KeyValue& out, const store::KeyValue& kv);
void fill(pb::RangeResponse& out, const store::RangeResponse& response);
void fill(pb::PutResponse& out, const store::PutResponse& response);
void fill(pb::DeleteRangeResponse& out, const store::DeleteRangeResponse& response);
void fill(pb::TxnResponse& out, const store::TxnResponse& response);
/// `with_prev_kv`: this watcher asked for what the key held before.
enum class PrevKv { kLeaveOut, kInclude };
void fill(mvccpb::Event& out, const store::Event& event, PrevKv prev_kv);

}  // namespace cloudless::etcd
