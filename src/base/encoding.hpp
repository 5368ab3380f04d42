// Text forms of bytes, and the digests and random bytes that names and keys are made from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless {

/// RFC 4648 section 4, with padding.
std::string base64_encode(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);
/// RFC 4648 section 5, without padding, as JWTs have it.
std::string base64url_encode(std::string_view bytes);
Result<std::string> base64url_decode(std::string_view text);
/// Lower-case hexadecimal.
std::string hex_encode(std::string_view bytes);
Result<std::string> hex_decode(std::string_view text);

/// The 32 bytes of SHA-256.
std::string sha256(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);
/// FNV-1a over 32 bits, the hash that pod template names are made from upstream.
uint32_t fnv1a_32(std::string_view bytes);
/// Compares in time that depends on the lengths alone, for secrets.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace cloudless
