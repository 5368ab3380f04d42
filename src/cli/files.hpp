// Folders and large files, for the wiring; small files are base/files.hpp's. Blocking.
#pragma once

#include <string>

#include "base/files.hpp"

namespace cloudless::cli {

/// An image archive as a whole, of any size.
Result<std::string> read_archive(const std::string& path);
/// The folder and those above it.
Result<> make_directories(const std::string& path);

}  // namespace cloudless::cli
