// Snapshots as etcd makes and takes them: a bbolt database (etcd/bolt.hpp) and the SHA-256 of it. What is
// written is the store at one revision without its past, so to etcd it looks compacted there. For .cpp files
// alone.
//
//     bucket key    revision, big-endian main(8) '_' sub(8), a deletion with 't' behind -> mvccpb.KeyValue
//     bucket lease  id, big-endian(8) -> leasepb.Lease
//     bucket meta   finishedCompactRev -> revision; consistent_index -> big-endian(8)
//     and alarm, auth, authRoles, authUsers, cluster, members, members_removed, which are empty
#pragma once

#include <functional>

#include "etcd/call.hpp"
#include "store/archive.hpp"

namespace cloudless::etcd {

using SnapshotSink = std::function<runtime::Task<Result<>>(etcdserverpb::SnapshotResponse& piece)>;

/// Reads everything twice, once to learn the sizes, and holds the keys, but no more values than a page of a
/// range has. A compaction beyond the revision meanwhile fails it with kCompacted.
runtime::Task<Result<>> send_snapshot(Backend& backend, SnapshotSink send);

}  // namespace cloudless::etcd
