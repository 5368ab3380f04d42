// Owners and error texts for OpenSSL's objects; for .cpp files of this part alone.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::pki {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

template <class T, auto Free>
using Owned = std::unique_ptr<T, Freer<Free>>;

/// Why the last call failed, by OpenSSL's words; its error queue of this thread is empty afterwards.
inline Error openssl_error(Code code, std::string_view doing) {
  const unsigned long number = ERR_get_error();
  ERR_clear_error();
  char text[256] = "unknown error";
  if (number != 0) ERR_error_string_n(number, text, sizeof text);
  return Error{code, fmt::format("{}: {}", doing, text)};
}

/// The DER that an i2d function writes.
template <class T, class Encode>
std::string to_der(Encode encode, T* object) {
  unsigned char* out = nullptr;
  const int size = encode(object, &out);
  if (size < 0) return {};
  std::string der(reinterpret_cast<char*>(out), static_cast<size_t>(size));
  OPENSSL_free(out);
  return der;
}

/// Reads an object by a d2i function; null where `der` is malformed or longer than the object.
template <class T, auto Free, class Decode>
Owned<T, Free> from_der_bytes(Decode decode, std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  Owned<T, Free> object(decode(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  return at == end ? std::move(object) : nullptr;
}

}  // namespace cloudless::pki
