// etcdserverpb.KV: ranges, puts, deletions, transactions, compaction. For .cpp files alone.
#pragma once

#include "etcd/call.hpp"

namespace cloudless::etcd {

void add_kv_methods(grpc::Methods& methods, Backend& backend);

}  // namespace cloudless::etcd
