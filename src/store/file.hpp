// File and Files: what the journal needs of the file system, behind an interface so that tests can tear
// writes and fail syncs. Errors keep errno's meaning: kResourceExhausted where the disk or the quota is full,
// kPermissionDenied where writing is forbidden (a read-only file system too), kUnavailable otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::store {

class File {
 public:
  virtual ~File() = default;
  /// Offsets and lengths of writes are multiples of this.
  virtual size_t block_size() const = 0;
  /// Writes whole blocks, past the page cache where the file system can: a few hundred bytes then cost one
  /// sector instead of a page. Not durable before sync().
  virtual Result<> write_at(uint64_t offset, std::string_view blocks) = 0;
  /// Up to `size` bytes from anywhere; fewer at the end of the file.
  virtual Result<std::string> read_at(uint64_t offset, size_t size) = 0;
  /// Makes the bytes, and the size if it changed, durable (fdatasync).
  virtual Result<> sync() = 0;
  virtual Result<uint64_t> size() = 0;
  /// False where another process (or another File of this one) holds the lock, which ends with the File.
  virtual Result<bool> try_lock() = 0;
};

class Files {
 public:
  virtual ~Files() = default;
  /// Opens for reading and writing, and creates (durably, mode 0600) what is not there.
  virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;
};

/// The machine's own.
std::unique_ptr<Files> make_system_files();

}  // namespace cloudless::store
