// Whole files, for the wiring. Blocking.
#pragma once

#include <string>

#include "base/result.hpp"

namespace cloudless::cli {

Result<std::string> read_file(const std::string& path);
/// Replaces the file at once, by a rename, with these permissions.
Result<> write_file(const std::string& path, const std::string& content, unsigned mode);
/// The folder and those above it.
Result<> make_directories(const std::string& path);

}  // namespace cloudless::cli
