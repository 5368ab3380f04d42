#include <openssl/err.h>
#include <openssl/rand.h>

#include "apiserver/encryption/cipher.hpp"
#include "apiserver/encryption/openssl.hpp"

namespace cloudless::apiserver::encryption {

namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

const EVP_CIPHER* cipher_for(std::string_view secret) {
  if (secret.size() == 16) return EVP_aes_128_gcm();
  if (secret.size() == 24) return EVP_aes_192_gcm();
  return secret.size() == 32 ? EVP_aes_256_gcm() : nullptr;
}

}  // namespace

Result<std::string> seal(std::string_view secret, std::string_view additional, std::string_view plain) {
  const EVP_CIPHER* cipher = cipher_for(secret);
  if (!cipher) return fail(Code::kInvalid, "a key of AES has 16, 24 or 32 bytes, not {}", secret.size());
  const size_t tag = kNonceBytes + plain.size();
  std::string out(tag + kTagBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  const bool good =
      RAND_bytes(bytes(out, 0), kNonceBytes) == 1 &&
      EVP_EncryptInit_ex(context.get(), cipher, nullptr, bytes(secret), bytes(out, 0)) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &written, bytes(additional), length(additional)) == 1 &&
      EVP_EncryptUpdate(context.get(), bytes(out, kNonceBytes), &written, bytes(plain), length(plain)) == 1 &&
      EVP_EncryptFinal_ex(context.get(), bytes(out, tag), &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, bytes(out, tag)) == 1;
  ERR_clear_error();
  if (!good) return fail(Code::kInternal, "a value could not be encrypted");
  return out;
}

Result<std::string> open_sealed(std::string_view secret, std::string_view additional,
                                std::string_view sealed) {
  const EVP_CIPHER* cipher = cipher_for(secret);
  if (!cipher || sealed.size() < kNonceBytes + kTagBytes)
    return fail(Code::kDataLoss, "the stored data was shorter than the required size");
  const std::string_view body = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string out(body.size() + 1, '\0');  // one more, so that there is a place for the final call's nothing
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  const bool good =
      EVP_DecryptInit_ex(context.get(), cipher, nullptr, bytes(secret), bytes(sealed)) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &written, bytes(additional), length(additional)) == 1 &&
      EVP_DecryptUpdate(context.get(), bytes(out, 0), &written, bytes(body), length(body)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), bytes(out, body.size()), &written) == 1;
  ERR_clear_error();
  if (!good) return fail(Code::kDataLoss, "cipher: message authentication failed");
  out.pop_back();
  return out;
}

}  // namespace cloudless::apiserver::encryption
