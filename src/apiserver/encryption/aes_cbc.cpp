#include <openssl/err.h>
#include <openssl/rand.h>

#include "apiserver/encryption/cipher.hpp"
#include "apiserver/encryption/openssl.hpp"

namespace cloudless::apiserver::encryption::aes_cbc {

namespace {

constexpr size_t kBlockBytes = 16;

const EVP_CIPHER* cipher_for(std::string_view secret) {
  if (secret.size() == 16) return EVP_aes_128_cbc();
  return secret.size() == 24 ? EVP_aes_192_cbc() : EVP_aes_256_cbc();
}

}  // namespace

Result<std::string> seal(std::string_view secret, std::string_view plain) {
  std::string out(kBlockBytes + plain.size() + kBlockBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  int last = 0;
  const bool good =
      RAND_bytes(bytes(out, 0), kBlockBytes) == 1 &&
      EVP_EncryptInit_ex(context.get(), cipher_for(secret), nullptr, bytes(secret), bytes(out, 0)) == 1 &&
      EVP_EncryptUpdate(context.get(), bytes(out, kBlockBytes), &written, bytes(plain), length(plain)) == 1 &&
      EVP_EncryptFinal_ex(context.get(), bytes(out, kBlockBytes + static_cast<size_t>(written)), &last) == 1;
  ERR_clear_error();
  if (!good) return fail(Code::kInternal, "a value could not be encrypted");
  out.resize(kBlockBytes + static_cast<size_t>(written) + static_cast<size_t>(last));
  return out;
}

Result<std::string> open_sealed(std::string_view secret, std::string_view sealed) {
  if (sealed.size() < kBlockBytes)
    return fail(Code::kDataLoss, "the stored data was shorter than the required size");
  const std::string_view body = sealed.substr(kBlockBytes);
  if (body.empty() || body.size() % kBlockBytes != 0)
    return fail(Code::kDataLoss, "the stored data is not a multiple of the block size");
  std::string out(body.size() + kBlockBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  int last = 0;
  const bool good =
      EVP_DecryptInit_ex(context.get(), cipher_for(secret), nullptr, bytes(secret), bytes(sealed)) == 1 &&
      EVP_DecryptUpdate(context.get(), bytes(out, 0), &written, bytes(body), length(body)) == 1 &&
      EVP_DecryptFinal_ex(context.get(), bytes(out, static_cast<size_t>(written)), &last) == 1;
  ERR_clear_error();
  if (!good) return fail(Code::kDataLoss, "invalid padding on input");
  out.resize(static_cast<size_t>(written) + static_cast<size_t>(last));
  return out;
}

}  // namespace cloudless::apiserver::encryption::aes_cbc
