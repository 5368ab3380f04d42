// Small files as a whole: configuration, keys, certificates. Blocking; not for an event loop's thread unless
// at start-up.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless {

/// A file larger than this is refused by read_file().
inline constexpr size_t kMaxFileBytes = 16 * 1024 * 1024;

/// kNotFound where there is none, kPermissionDenied where it may not be read.
Result<std::string> read_file(const std::string& path);

/// Puts `text` in the place of `path` by way of a temporary file beside it, synced before it is renamed:
/// readers, and a crash, see the old or the new file as a whole. Makes missing folders (0755).
Result<> write_file(const std::string& path, std::string_view text, mode_t mode);

}  // namespace cloudless
