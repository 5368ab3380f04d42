// Reading snapshots of an etcd, ours or another: what `etcdctl snapshot save` has written, or a member's
// member/snap/db.
#pragma once

#include <string_view>

#include "store/archive.hpp"

namespace cloudless::etcd {

/// True where the file begins as etcd's database does; the first page is enough.
bool is_snapshot(std::string_view file);

/// The newest state in a snapshot, without its past. kDataLoss where it is damaged or its checksum, which a
/// member's own file does not have, is wrong.
Result<store::ArchiveContents> read_snapshot(std::string_view file);

}  // namespace cloudless::etcd
