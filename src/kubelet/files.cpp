#include "kubelet/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace cloudless::kubelet {

namespace {

struct Fd {
  int fd;
  ~Fd() {
    if (fd >= 0) ::close(fd);
  }
};

Error error_at(const char* doing, const std::string& path) {
  return system_error(errno, std::string(doing) + " " + path);
}

Result<> write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(error_at("write", path));
    content.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t limit) {
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) {
    if (errno == ENOENT) return fail(Code::kNotFound, "open {}: no such file or directory", path);
    return std::unexpected(error_at("open", path));
  }
  std::string content;
  char buffer[16384];
  for (;;) {
    const ssize_t count = ::read(file.fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(error_at("read", path));
    if (count == 0) return content;
    content.append(buffer, static_cast<size_t>(count));
    if (content.size() > limit)
      return fail(Code::kResourceExhausted, "{} is larger than {} bytes", path, limit);
  }
}

Result<> write_file_atomically(const std::string& path, std::string_view content, mode_t mode) {
  const std::string sibling = path + ".new";
  {
    const Fd file{::open(sibling.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)};
    if (file.fd < 0) return std::unexpected(error_at("create", sibling));
    ::fchmod(file.fd, mode);
    TRY(write_all(file.fd, content, sibling));
    if (::fsync(file.fd) != 0) return std::unexpected(error_at("sync", sibling));
  }
  if (::rename(sibling.c_str(), path.c_str()) != 0) return std::unexpected(error_at("rename to", path));
  return {};
}

Result<> make_directories(const std::string& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return std::unexpected(system_error(error.value(), "make folder " + path));
  if (::chmod(path.c_str(), mode) != 0) return std::unexpected(error_at("set the mode of", path));
  return {};
}

}  // namespace cloudless::kubelet
