#include "cli/files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace cloudless::cli {

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected(system_error(errno, "read " + path));
  std::stringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

Result<> write_file(const std::string& path, const std::string& content, unsigned mode) {
  const std::string next = path + ".new";
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return std::unexpected(system_error(errno, "write " + next));
  const ssize_t wrote = write(fd, content.data(), content.size());
  const int error = errno;
  close(fd);
  if (wrote != static_cast<ssize_t>(content.size()))
    return std::unexpected(system_error(error, "write " + next));
  if (rename(next.c_str(), path.c_str()) != 0) return std::unexpected(system_error(errno, "write " + path));
  return {};
}

Result<> make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return std::unexpected(system_error(error.value(), "make the folder " + path));
  return {};
}

}  // namespace cloudless::cli
