// CRC-32C (Castagnoli; RFC 3720, appendix B.4): what guards records and files against damage.
#pragma once

#include <cstdint>
#include <string_view>

namespace cloudless::store {

/// The checksum of `bytes`, continuing from the checksum of what stands before it.
uint32_t crc32c(std::string_view bytes, uint32_t before = 0);

}  // namespace cloudless::store
