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

#include "etcd/rpc.pb.h"
#include "store/store.hpp"

namespace cloudless::etcd {

using SnapshotSink = std::function<runtime::Task<Result<>>(etcdserverpb::SnapshotResponse& piece)>;

/// Pairs whose names are held at a time: some 5 MB.
inline constexpr size_t kSnapshotWindow = 32 << 10;

/// Reads everything twice, once to learn the sizes: a file says at its start how long it is and where what
/// lies. Holds the names of `window` pairs (of a transaction, if that has more) and of no more values than
/// one, so a store of any size needs little memory. A compaction beyond the revision meanwhile fails it with
/// kCompacted.
runtime::Task<Result<>> send_snapshot(store::Store& store, SnapshotSink send,
                                      size_t window = kSnapshotWindow);

}  // namespace cloudless::etcd
