// etcdserverpb.Lease: leases and their keep-alives. For .cpp files alone.
#pragma once

#include "etcd/call.hpp"

namespace cloudless::etcd {

void add_lease_methods(grpc::Methods& methods, Backend& backend);

}  // namespace cloudless::etcd
