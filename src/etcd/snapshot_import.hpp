// Reading snapshots of an etcd, ours or another: what `etcdctl snapshot save` has written, or a member's
// member/snap/db.
#pragma once

#include <string_view>

#include "etcd/bolt.hpp"
#include "store/archive.hpp"

namespace cloudless::etcd {

/// True where the file begins as etcd's database does; the first page is enough.
bool is_snapshot(std::string_view file);

/// The newest state in a snapshot, without its past. kDataLoss where it is damaged or its checksum, which a
/// member's own file does not have, is wrong.
///
/// Holds the newest state and a few pages of the file, however much of the past that has.
Result<store::ArchiveContents> read_snapshot(bolt::Source file);

}  // namespace cloudless::etcd
