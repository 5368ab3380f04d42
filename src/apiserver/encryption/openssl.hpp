// What the ciphers share of OpenSSL's ways.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace cloudless::apiserver::encryption {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

inline const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline unsigned char* bytes(std::string& text, size_t at) {
  return reinterpret_cast<unsigned char*>(text.data()) + at;
}
inline int length(std::string_view text) { return static_cast<int>(text.size()); }

}  // namespace cloudless::apiserver::encryption
