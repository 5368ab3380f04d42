#include "cli/files.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace cloudless::cli {

Result<std::string> read_archive(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(system_error(errno, "read " + path));
  std::stringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

Result<> make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return std::unexpected(system_error(error.value(), "make the folder " + path));
  return {};
}

}  // namespace cloudless::cli
