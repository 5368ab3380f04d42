// A tar writer: POSIX ustar entries, GNU 'L' and 'K' entries for names longer than 100 bytes. All times are
// the epoch, so that equal content gives equal bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cloudless::kubelet {

class TarWriter {
 public:
  struct Owner {
    uint32_t uid = 0;
    uint32_t gid = 0;
  };
  void add_file(std::string_view path, std::string_view content, uint32_t mode, Owner owner);
  void add_directory(std::string_view path, uint32_t mode, Owner owner);
  void add_symlink(std::string_view path, std::string_view target, Owner owner);
  /// The archive with its two closing blocks; the writer is spent.
  std::string finish();

 private:
  void add(char type, std::string_view path, std::string_view target, std::string_view content, uint32_t mode,
           Owner owner);
  void add_header(char type, std::string_view path, std::string_view target, size_t size, uint32_t mode,
                  Owner owner);
  void add_padded(std::string_view content);

  std::string out_;
};

}  // namespace cloudless::kubelet
