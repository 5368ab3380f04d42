// A program or library as the kernel and the dynamic linker need it: what its program headers name, and no
// more. Line tables and symbols, which lie behind that and are the larger part of a build with debug
// information, are left out.
#pragma once

#include <string>

namespace cloudless::cli {

/// What is no 64-bit ELF file of this machine's byte order comes back as it is.
std::string loaded_part(std::string file);

}  // namespace cloudless::cli
