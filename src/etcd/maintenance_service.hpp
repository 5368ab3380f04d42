// etcdserverpb.Maintenance and Cluster: status, space, checksums, snapshots, and a cluster of one member. For
// .cpp files alone.
//
// A snapshot is an archive of the store (store/archive.hpp), filled up with zeros to a multiple of 512 bytes,
// and its SHA-256, which is what etcdctl checks. remaining_bytes is an estimate until the last message.
#pragma once

#include "etcd/call.hpp"
#include "etcd/server.hpp"

namespace cloudless::etcd {

/// `options` outlives the methods, as the backend does.
void add_maintenance_methods(grpc::Methods& methods, Backend& backend, const ServerOptions& options);
void add_cluster_methods(grpc::Methods& methods, Backend& backend, const ServerOptions& options);

}  // namespace cloudless::etcd
