#include "kubelet/image/tar.hpp"

#include <fmt/format.h>

#include <cstring>

namespace cloudless::kubelet {

namespace {

constexpr size_t kBlock = 512;
constexpr size_t kNameLimit = 100;

// One 512-byte header block; numbers are octal text (POSIX.1-1988 ustar).
struct Header {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link[100];
  char magic[6];
  char version[2];
  char user[32];
  char group[32];
  char major[8];
  char minor[8];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(Header) == kBlock);

template <size_t N>
void put_octal(char (&field)[N], uint64_t value) {
  const std::string text = fmt::format("{:0{}o}", value, N - 1);
  std::memcpy(field, text.data(), N - 1);
}

template <size_t N>
void put_text(char (&field)[N], std::string_view text) {
  std::memcpy(field, text.data(), std::min(text.size(), N));
}

}  // namespace

void TarWriter::add_header(char type, std::string_view path, std::string_view target, size_t size,
                           uint32_t mode, Owner owner) {
  Header header{};
  put_text(header.name, path);
  put_octal(header.mode, mode);
  put_octal(header.uid, owner.uid);
  put_octal(header.gid, owner.gid);
  put_octal(header.size, size);
  put_octal(header.mtime, 0);
  header.type = type;
  put_text(header.link, target);
  put_text(header.magic, "ustar");
  put_text(header.version, "00");
  std::memset(header.checksum, ' ', sizeof header.checksum);
  unsigned sum = 0;
  for (size_t i = 0; i < kBlock; ++i) sum += reinterpret_cast<const unsigned char*>(&header)[i];
  const std::string text = fmt::format("{:06o}", sum);
  std::memcpy(header.checksum, text.data(), 6);
  header.checksum[6] = '\0';
  out_.append(reinterpret_cast<const char*>(&header), kBlock);
}

void TarWriter::add_padded(std::string_view content) {
  out_ += content;
  out_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

void TarWriter::add(char type, std::string_view path, std::string_view target, std::string_view content,
                    uint32_t mode, Owner owner) {
  const auto add_long = [this](char long_type, std::string_view text) {
    if (text.size() <= kNameLimit) return;
    const std::string terminated = std::string(text) + '\0';
    add_header(long_type, "././@LongLink", "", terminated.size(), 0644, {});
    add_padded(terminated);
  };
  add_long('K', target);
  add_long('L', path);
  add_header(type, path, target, content.size(), mode, owner);
  add_padded(content);
}

void TarWriter::add_file(std::string_view path, std::string_view content, uint32_t mode, Owner owner) {
  add('0', path, "", content, mode, owner);
}
void TarWriter::add_directory(std::string_view path, uint32_t mode, Owner owner) {
  add('5', std::string(path) + "/", "", "", mode, owner);
}
void TarWriter::add_symlink(std::string_view path, std::string_view target, Owner owner) {
  add('2', path, target, "", 0777, owner);
}

std::string TarWriter::finish() {
  out_.append(2 * kBlock, '\0');
  return std::move(out_);
}

}  // namespace cloudless::kubelet
