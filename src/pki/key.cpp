#include "pki/key.hpp"

#include "pki/openssl.hpp"
#include "pki/pem.hpp"

namespace cloudless::pki {

namespace {

std::shared_ptr<EVP_PKEY> own(EVP_PKEY* key) { return std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free); }

bool is_rsa(EVP_PKEY* key) { return EVP_PKEY_is_a(key, "RSA") == 1; }
bool is_p256(EVP_PKEY* key) { return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_bits(key) == 256; }

Result<std::shared_ptr<EVP_PKEY>> read_private(const PemBlock& block) {
  int type = EVP_PKEY_NONE;
  if (block.label == "EC PRIVATE KEY") type = EVP_PKEY_EC;
  if (block.label == "RSA PRIVATE KEY") type = EVP_PKEY_RSA;
  const auto* at = reinterpret_cast<const unsigned char*>(block.bytes.data());
  const auto size = static_cast<long>(block.bytes.size());
  EVP_PKEY* key = type == EVP_PKEY_NONE ? d2i_AutoPrivateKey(nullptr, &at, size)
                                        : d2i_PrivateKey(type, nullptr, &at, size);
  if (!key) return std::unexpected(openssl_error(Code::kInvalid, "the private key is malformed"));
  return own(key);
}

Result<std::shared_ptr<EVP_PKEY>> read_public(const PemBlock& block) {
  const auto* at = reinterpret_cast<const unsigned char*>(block.bytes.data());
  const auto size = static_cast<long>(block.bytes.size());
  EVP_PKEY* key = nullptr;
  if (block.label == "PUBLIC KEY") key = d2i_PUBKEY(nullptr, &at, size);
  if (block.label == "RSA PUBLIC KEY") key = d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, size);
  if (block.label == "CERTIFICATE") {
    const Owned<X509, X509_free> certificate(d2i_X509(nullptr, &at, size));
    if (certificate) key = X509_get_pubkey(certificate.get());
  }
  if (!key) return std::unexpected(openssl_error(Code::kInvalid, "the public key is malformed"));
  return own(key);
}

bool holds_private_key(const PemBlock& block) { return block.label.ends_with("PRIVATE KEY"); }
bool holds_public_key(const PemBlock& block) {
  return block.label.ends_with("PUBLIC KEY") || block.label == "CERTIFICATE";
}

}  // namespace

Result<std::vector<PublicKey>> PublicKey::bundle_from_pem(std::string_view pem) {
  std::vector<PublicKey> keys;
  for (const PemBlock& block : parse_pem(pem)) {
    if (holds_private_key(block)) keys.emplace_back(TRY(read_private(block)));
    if (holds_public_key(block)) keys.emplace_back(TRY(read_public(block)));
  }
  if (keys.empty()) return fail(Code::kInvalid, "data does not contain any valid RSA or ECDSA public keys");
  return keys;
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  auto keys = TRY(bundle_from_pem(pem));
  return keys.front();
}

std::string PublicKey::to_pem() const { return format_pem("PUBLIC KEY", spki()); }
std::string PublicKey::spki() const { return to_der(i2d_PUBKEY, key_.get()); }

std::string_view PublicKey::jws_algorithm() const {
  if (is_p256(key_.get())) return "ES256";
  if (is_rsa(key_.get())) return "RS256";
  return {};
}

Result<PrivateKey> PrivateKey::generate(KeyType type) {
  EVP_PKEY* key = type == KeyType::kEcdsaP256 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
  if (!key) return std::unexpected(openssl_error(Code::kInternal, "make a private key"));
  return PrivateKey(own(key));
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  for (const PemBlock& block : parse_pem(pem)) {
    if (holds_private_key(block)) return PrivateKey(TRY(read_private(block)));
  }
  return fail(Code::kInvalid, "data does not contain a valid RSA or ECDSA private key");
}

std::string PrivateKey::to_pem() const {
  const char* label = is_rsa(key_.get()) ? "RSA PRIVATE KEY" : "EC PRIVATE KEY";
  return format_pem(label, to_der(i2d_PrivateKey, key_.get()));
}

}  // namespace cloudless::pki
