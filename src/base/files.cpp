#include "base/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace cloudless {

namespace {

// A descriptor that closes itself.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

Result<> write_all(int descriptor, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(system_error(errno, "write " + path));
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Result<> fill(const std::string& path, std::string_view text, mode_t mode, std::string& temporary) {
  const File file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) return std::unexpected(system_error(errno, "create " + temporary));
  TRY(write_all(file.get(), text, temporary));
  if (::fchmod(file.get(), mode) != 0 || ::fsync(file.get()) != 0)
    return std::unexpected(system_error(errno, "write " + temporary));
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return std::unexpected(system_error(errno, "rename to " + path));
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return std::unexpected(system_error(errno, "open " + path));
  std::string text;
  char piece[16 * 1024];
  for (;;) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(system_error(errno, "read " + path));
    if (got == 0) return text;
    text.append(piece, static_cast<size_t>(got));
    if (text.size() > kMaxFileBytes)
      return fail(Code::kResourceExhausted, "{} is larger than {} bytes", path, kMaxFileBytes);
  }
}

Result<> write_file(const std::string& path, std::string_view text, mode_t mode) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return std::unexpected(system_error(error.value(), "create " + folder.string()));
  std::string temporary = path + ".XXXXXX";
  auto written = fill(path, text, mode, temporary);
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  // The new name is durable once the folder is.
  const File directory(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
  return {};
}

}  // namespace cloudless
