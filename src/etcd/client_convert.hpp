// The store's structs as etcd's requests, and etcd's answers as the store's: the client's side of
// convert.hpp. For .cpp files alone.
#pragma once

#include "etcd/rpc.pb.h"
#include "store/types.hpp"

namespace cloudless::etcd {

etcdserverpb::RangeRequest to_pb(const store::RangeRequest& request);
etcdserverpb::PutRequest to_pb(const store::PutRequest& request);
etcdserverpb::DeleteRangeRequest to_pb(const store::DeleteRangeRequest& request);
etcdserverpb::TxnRequest to_pb(const store::TxnRequest& request);
etcdserverpb::WatchCreateRequest to_pb(const store::WatchRequest& request);

store::KeyValue from_pb(const mvccpb::KeyValue& kv, bool keys_only = false);
store::RangeResponse from_pb(const etcdserverpb::RangeResponse& response, bool keys_only = false);
store::PutResponse from_pb(const etcdserverpb::PutResponse& response);
store::DeleteRangeResponse from_pb(const etcdserverpb::DeleteRangeResponse& response);
store::TxnResponse from_pb(const etcdserverpb::TxnResponse& response);
store::SharedEvent from_pb(const mvccpb::Event& event);

}  // namespace cloudless::etcd
