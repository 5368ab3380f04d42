// Snapshots as etcdctl takes them: a blob, filled up with zeros to a multiple of 512 bytes, and the SHA-256
// of it all. The blob is the store's own archive (store/archive.hpp); the zeros after its end do no harm, so
// `cloudless store import` reads the saved file. For .cpp files alone.
#pragma once

#include <functional>

#include "etcd/call.hpp"

namespace cloudless::etcd {

using SnapshotSink = std::function<runtime::Task<Result<>>(etcdserverpb::SnapshotResponse& piece)>;

runtime::Task<Result<>> send_snapshot(Backend& backend, SnapshotSink send);

}  // namespace cloudless::etcd
