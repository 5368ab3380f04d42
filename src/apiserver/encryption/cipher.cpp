#include "apiserver/encryption/cipher.hpp"

namespace cloudless::apiserver::encryption {

std::string_view name_of(Cipher cipher) {
  switch (cipher) {
    case Cipher::kIdentity:
      return "identity";
    case Cipher::kAesGcm:
      return "aesgcm";
    case Cipher::kAesCbc:
      return "aescbc";
    case Cipher::kSecretbox:
      return "secretbox";
  }
  return "";
}

bool is_key_size(Cipher cipher, size_t bytes) {
  if (cipher == Cipher::kSecretbox) return bytes == 32;
  return cipher != Cipher::kIdentity && (bytes == 16 || bytes == 24 || bytes == 32);
}

Result<std::string> seal(Cipher cipher, std::string_view secret, std::string_view additional,
                         std::string_view plain) {
  if (cipher == Cipher::kIdentity) return std::string(plain);
  if (!is_key_size(cipher, secret.size()))
    return fail(Code::kInvalid, "a key of {} cannot have {} bytes", name_of(cipher), secret.size());
  if (cipher == Cipher::kAesGcm) return seal(secret, additional, plain);
  return cipher == Cipher::kAesCbc ? aes_cbc::seal(secret, plain) : secretbox::seal(secret, plain);
}

Result<std::string> open_sealed(Cipher cipher, std::string_view secret, std::string_view additional,
                                std::string_view sealed) {
  if (cipher == Cipher::kIdentity) return std::string(sealed);
  if (!is_key_size(cipher, secret.size()))
    return fail(Code::kInvalid, "a key of {} cannot have {} bytes", name_of(cipher), secret.size());
  if (cipher == Cipher::kAesGcm) return open_sealed(secret, additional, sealed);
  return cipher == Cipher::kAesCbc ? aes_cbc::open_sealed(secret, sealed)
                                   : secretbox::open_sealed(secret, sealed);
}

}  // namespace cloudless::apiserver::encryption
