#include "cli/loaded_program.hpp"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace cloudless::cli {

std::string loaded_part(std::string file) {
  constexpr unsigned char kOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  Elf64_Ehdr header{};
  if (file.size() < sizeof header) return file;
  std::memcpy(&header, file.data(), sizeof header);
  const bool is_elf = std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
                      header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == kOrder &&
                      header.e_phentsize == sizeof(Elf64_Phdr);
  const size_t table_end = header.e_phoff + size_t{header.e_phnum} * sizeof(Elf64_Phdr);
  if (!is_elf || table_end > file.size()) return file;
  size_t end = std::max(table_end, sizeof header);
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    std::memcpy(&segment, file.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    end = std::max(end, static_cast<size_t>(segment.p_offset + segment.p_filesz));
  }
  if (end > file.size()) return file;
  file.resize(end);
  header.e_shoff = 0;
  header.e_shnum = 0;
  header.e_shstrndx = SHN_UNDEF;
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

}  // namespace cloudless::cli
