// grpc.health.v1.Health, for the server as a whole: a service of that name is "". For .cpp files alone.
#pragma once

#include "etcd/call.hpp"

namespace cloudless::etcd {

void add_health_methods(grpc::Methods& methods, Backend& backend);

}  // namespace cloudless::etcd
