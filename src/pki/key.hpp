// Keys: the private and public halves of ECDSA P-256 and RSA, in PEM as Kubernetes keeps them.
//
// A key is an immutable value; copies share it. Any thread. Private keys are never logged and have no text
// form but to_pem().
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

struct evp_pkey_st;

namespace cloudless::pki {

/// How a key signs, and its name as a JWS algorithm (RFC 7518).
enum class KeyType { kEcdsaP256, kRsa2048 };

class PublicKey {
 public:
  explicit PublicKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

  /// "PUBLIC KEY" (SubjectPublicKeyInfo) or "RSA PUBLIC KEY" (PKCS #1); also the public half of a private key
  /// or of a certificate. kInvalid for anything else.
  static Result<PublicKey> from_pem(std::string_view pem);
  /// A file of several such blocks, in order; blocks of other kinds are skipped. kInvalid where none is
  /// found.
  static Result<std::vector<PublicKey>> bundle_from_pem(std::string_view pem);

  std::string to_pem() const;
  /// DER of the SubjectPublicKeyInfo.
  std::string spki() const;
  /// "ES256", "RS256"; empty for a key that cannot verify a JWS.
  std::string_view jws_algorithm() const;
  evp_pkey_st* get() const { return key_.get(); }

  friend bool operator==(const PublicKey& a, const PublicKey& b) { return a.spki() == b.spki(); }

 private:
  std::shared_ptr<evp_pkey_st> key_;
};

class PrivateKey {
 public:
  explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

  static Result<PrivateKey> generate(KeyType type);
  /// "EC PRIVATE KEY", "RSA PRIVATE KEY" or "PRIVATE KEY", unencrypted; other blocks before it are skipped.
  static Result<PrivateKey> from_pem(std::string_view pem);

  /// "EC PRIVATE KEY" (RFC 5915) or "RSA PRIVATE KEY" (RFC 8017), as kubeadm writes them.
  std::string to_pem() const;
  PublicKey public_key() const { return PublicKey(key_); }
  evp_pkey_st* get() const { return key_.get(); }

 private:
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace cloudless::pki
