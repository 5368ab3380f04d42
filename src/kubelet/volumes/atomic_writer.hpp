// Replaces all files of a volume at once, as pkg/volume/util/atomic_writer.go does, so that applications that
// watch for it see it the same way:
//
//   dir/..2026_11_22_18_00_00.123456789/a/b    this version's files
//   dir/..data -> ..2026_11_22_18_00_00.123456789    replaced by rename
//   dir/a -> ..data/a                          one link per top-level name
//
// A reader through ..data sees the old files or the new ones, never a mixture.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "kubelet/volumes/payload.hpp"

namespace cloudless::kubelet {

/// True where the files changed. `group`: owner group of everything, with read permission, for fsGroup. `dir`
/// must exist. Blocks.
Result<bool> write_payload(const std::string& dir, const Payload& payload, std::optional<int64_t> group,
                           WallTime now);

}  // namespace cloudless::kubelet
