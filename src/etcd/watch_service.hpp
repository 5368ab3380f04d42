// etcdserverpb.Watch: many watches on one stream. For .cpp files alone.
#pragma once

#include "etcd/call.hpp"

namespace cloudless::etcd {

/// `progress_interval`: how often a watch that asked for it hears that nothing happened.
void add_watch_methods(grpc::Methods& methods, Backend& backend, Duration progress_interval);

}  // namespace cloudless::etcd
