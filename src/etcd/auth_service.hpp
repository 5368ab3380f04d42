// etcdserverpb.Auth of an etcd whose authentication is off: clients that come with a password go on without
// it, and it cannot be turned on, since there are no users. For .cpp files alone.
#pragma once

#include "etcd/call.hpp"

namespace cloudless::etcd {

void add_auth_methods(grpc::Methods& methods, Backend& backend);

}  // namespace cloudless::etcd
