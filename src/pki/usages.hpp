// Key usages by their names in certificates.k8s.io/v1, and what X.509 calls them.
#pragma once

#include <span>
#include <string_view>

namespace cloudless::pki {

struct KeyUsage {
  std::string_view name;
  int bit;  // in the KeyUsage extension (RFC 5280, 4.2.1.3)
};

struct ExtendedKeyUsage {
  std::string_view name;
  int nid;  // OpenSSL's number of the object identifier
};

/// The first name of a bit is the one that reading gives.
std::span<const KeyUsage> key_usages();
std::span<const ExtendedKeyUsage> extended_key_usages();

}  // namespace cloudless::pki
