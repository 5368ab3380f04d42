#include "store/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace cloudless::store {
namespace {

std::unexpected<Error> file_error(std::string_view doing, const std::string& path) {
  const int number = errno;
  Error error = system_error(number, fmt::format("{} {}", doing, path));
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
    error.code = Code::kResourceExhausted;
  } else if (number == EROFS || number == EACCES || number == EPERM) {
    error.code = Code::kPermissionDenied;
  } else {
    error.code = Code::kUnavailable;
  }
  return std::unexpected(std::move(error));
}

// Where the file system does not say: what every disk of today accepts.
constexpr size_t kCommonBlock = 4096;
// Bytes that are copied to an aligned buffer at a time.
constexpr size_t kBufferSize = 256 << 10;

class SystemFile final : public File {
 public:
  // `direct` writes past the page cache, `plain` reads through it; they are the same file.
  SystemFile(int direct, int plain, size_t block_size, std::string path)
      : direct_(direct), plain_(plain), block_size_(block_size), path_(std::move(path)) {}
  ~SystemFile() override {
    ::close(direct_);
    ::close(plain_);
  }

  size_t block_size() const override { return block_size_; }

  Result<> write_at(uint64_t offset, std::string_view blocks) override {
    if (!buffer_) buffer_.reset(static_cast<char*>(std::aligned_alloc(kCommonBlock, kBufferSize)));
    if (!buffer_) return fail(Code::kResourceExhausted, "no memory for writing {}", path_);
    while (!blocks.empty()) {
      const size_t size = std::min(blocks.size(), kBufferSize);
      std::memcpy(buffer_.get(), blocks.data(), size);
      const ssize_t written = ::pwrite(direct_, buffer_.get(), size, static_cast<off_t>(offset));
      if (written < 0) {
        if (errno == EINTR) continue;
        return file_error("write", path_);
      }
      // A short write may end inside a block; that block is written again.
      const size_t whole = static_cast<size_t>(written) / block_size_ * block_size_;
      if (whole == 0) {
        errno = ENOSPC;
        return file_error("write", path_);
      }
      blocks.remove_prefix(whole);
      offset += whole;
    }
    return {};
  }

  Result<std::string> read_at(uint64_t offset, size_t size) override {
    std::string bytes(size, '\0');
    size_t filled = 0;
    while (filled < size) {
      const ssize_t count =
          ::pread(plain_, bytes.data() + filled, size - filled, static_cast<off_t>(offset + filled));
      if (count < 0) {
        if (errno == EINTR) continue;
        return file_error("read", path_);
      }
      if (count == 0) break;
      filled += static_cast<size_t>(count);
    }
    bytes.resize(filled);
    return bytes;
  }

  Result<> sync() override {
    if (::fdatasync(direct_) != 0) return file_error("sync", path_);
    // The links alone: once its times are asked for, Linux keeps them to the nanosecond, and every sync from
    // then on writes the inode, too.
    struct statx status{};
    if (::statx(direct_, "", AT_EMPTY_PATH, STATX_NLINK, &status) == 0 && status.stx_nlink == 0) {
      return fail(Code::kUnavailable, "{} was removed while it is in use: what is written is lost at the end",
                  path_);
    }
    return {};
  }

  Result<uint64_t> size() override {
    struct statx status{};
    if (::statx(direct_, "", AT_EMPTY_PATH, STATX_SIZE, &status) != 0) return file_error("stat", path_);
    return status.stx_size;
  }

  Result<bool> try_lock() override {
    if (::flock(direct_, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    return file_error("lock", path_);
  }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  const int direct_;
  const int plain_;
  const size_t block_size_;
  const std::string path_;
  std::unique_ptr<char, Free> buffer_;
};

// The alignment that direct writes to this file need; 0 where it cannot tell.
size_t direct_alignment(int fd) {
#ifdef STATX_DIOALIGN
  struct statx status{};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 && (status.stx_mask & STATX_DIOALIGN)) {
    return status.stx_dio_offset_align;
  }
#else
  (void)fd;
#endif
  return 0;
}

class SystemFiles final : public Files {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path) override {
    int plain = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (plain < 0 && errno == ENOENT) {
      plain = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (plain >= 0) sync_directory_of(path);
    }
    if (plain < 0) return file_error("open", path);
    const size_t alignment = direct_alignment(plain);
    // Memory file systems refuse O_DIRECT; there it does not matter.
    int writer = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_DIRECT);
    if (writer < 0) writer = ::fcntl(plain, F_DUPFD_CLOEXEC, 0);
    if (writer < 0) {
      ::close(plain);
      return file_error("open", path);
    }
    return std::make_unique<SystemFile>(writer, plain, alignment ? alignment : kCommonBlock, path);
  }

 private:
  // Best effort: file systems that cannot sync a directory need it least.
  static void sync_directory_of(const std::string& path) {
    const std::string directory = std::filesystem::path(path).parent_path().string();
    const int fd = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    ::fsync(fd);
    ::close(fd);
  }
};

}  // namespace

std::unique_ptr<Files> make_system_files() { return std::make_unique<SystemFiles>(); }

}  // namespace cloudless::store
