// Files as the agent uses them: read whole, and replaced so that a reader or a crash sees the old or the new.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::kubelet {

/// At most `limit` bytes: kResourceExhausted for more, kNotFound where there is no such file.
Result<std::string> read_file(const std::string& path, size_t limit);

/// Writes a sibling, syncs it and renames it over `path`. The folder must exist.
Result<> write_file_atomically(const std::string& path, std::string_view content, mode_t mode);

/// Makes the folder and those above it (0755); the last one gets `mode`, whatever the umask.
Result<> make_directories(const std::string& path, mode_t mode);

}  // namespace cloudless::kubelet
