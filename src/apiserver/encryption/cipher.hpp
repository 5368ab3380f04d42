// The ciphers of upstream's EncryptionConfiguration, byte for byte
// (k8s.io/apiserver/pkg/storage/value/encrypt):
//
//   aesgcm     nonce (12 bytes)  ciphertext  tag (16 bytes)          AES-GCM
//   aescbc     IV (16 bytes)     ciphertext, padded by PKCS #7        AES-CBC, not authenticated
//   secretbox  nonce (24 bytes)  tag (16 bytes)  ciphertext          XSalsa20 and Poly1305 (NaCl)
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::apiserver::encryption {

enum class Cipher { kIdentity, kAesGcm, kAesCbc, kSecretbox };

/// As upstream names it: "aesgcm".
std::string_view name_of(Cipher cipher);
/// Whether a key of that many bytes fits.
bool is_key_size(Cipher cipher, size_t bytes);

/// `additional` is authenticated and not kept; only AES-GCM does so. kInvalid for a key of a wrong size.
Result<std::string> seal(Cipher cipher, std::string_view secret, std::string_view additional,
                         std::string_view plain);
/// kDataLoss where key, additional data or bytes are not those of seal(), as far as the cipher can tell.
Result<std::string> open_sealed(Cipher cipher, std::string_view secret, std::string_view additional,
                                std::string_view sealed);

/// By AES-GCM.
Result<std::string> seal(std::string_view secret, std::string_view additional, std::string_view plain);
Result<std::string> open_sealed(std::string_view secret, std::string_view additional,
                                std::string_view sealed);

namespace aes_cbc {
Result<std::string> seal(std::string_view secret, std::string_view plain);
Result<std::string> open_sealed(std::string_view secret, std::string_view sealed);
}  // namespace aes_cbc

namespace secretbox {
Result<std::string> seal(std::string_view secret, std::string_view plain);
/// With a nonce of 24 bytes, as tests need it.
Result<std::string> seal_with(std::string_view secret, std::string_view nonce, std::string_view plain);
Result<std::string> open_sealed(std::string_view secret, std::string_view sealed);
}  // namespace secretbox

}  // namespace cloudless::apiserver::encryption
