#include "pki/jws.hpp"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>

#include <boost/json.hpp>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "pki/openssl.hpp"

namespace cloudless::pki {

namespace {

namespace json = boost::json;

// A P-256 signature in a JWS is r and s of 32 bytes each (RFC 7518, 3.4); OpenSSL's is DER.
constexpr int kP256NumberBytes = 32;

using OwnedSignature = Owned<ECDSA_SIG, ECDSA_SIG_free>;

std::string raw_from_der(std::string_view der) {
  const OwnedSignature signature = from_der_bytes<ECDSA_SIG, ECDSA_SIG_free>(d2i_ECDSA_SIG, der);
  if (!signature) return {};
  std::string raw(2 * kP256NumberBytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kP256NumberBytes);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kP256NumberBytes, kP256NumberBytes);
  return raw;
}

std::string der_from_raw(std::string_view raw) {
  if (raw.size() != 2 * kP256NumberBytes) return {};
  const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
  const OwnedSignature signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(bytes, kP256NumberBytes, nullptr),
                 BN_bin2bn(bytes + kP256NumberBytes, kP256NumberBytes, nullptr));
  return to_der(i2d_ECDSA_SIG, signature.get());
}

const unsigned char* unsigned_data(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Result<std::string> digest_sign(EVP_PKEY* key, std::string_view input) {
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, unsigned_data(input), input.size()) != 1) {
    return std::unexpected(openssl_error(Code::kInternal, "sign a token"));
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     unsigned_data(input), input.size()) != 1) {
    return std::unexpected(openssl_error(Code::kInternal, "sign a token"));
  }
  signature.resize(size);
  return signature;
}

std::string number_parameter(EVP_PKEY* key, const char* name, int pad_to) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return {};
  const Owned<BIGNUM, BN_free> number(raw);
  std::string bytes(static_cast<size_t>(std::max(pad_to, BN_num_bytes(raw))), '\0');
  BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return base64url_encode(bytes);
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::string hs256_header(std::string_view key_id) {
  return base64url_encode(json::serialize(json::object{{"alg", "HS256"}, {"kid", key_id}}));
}

}  // namespace

Result<Jws> parse_jws(std::string_view token) {
  if (token.size() > kMaxJwsBytes)
    return fail(Code::kInvalid, "the token is longer than {} bytes", kMaxJwsBytes);
  const auto parts = split(token, '.');
  if (parts.size() != 3) return fail(Code::kInvalid, "the token is not in three parts");
  const std::string header = TRY(base64url_decode(parts[0]));
  Jws jws;
  jws.payload = TRY(base64url_decode(parts[1]));
  jws.signature = TRY(base64url_decode(parts[2]));
  jws.signing_input = std::string(token.substr(0, parts[0].size() + 1 + parts[1].size()));
  boost::system::error_code error;
  const json::value parsed = json::parse(header, error);
  if (error || !parsed.is_object()) return fail(Code::kInvalid, "the token's header is no JSON object");
  jws.algorithm = text_of(parsed.as_object(), "alg");
  jws.key_id = text_of(parsed.as_object(), "kid");
  if (jws.algorithm.empty()) return fail(Code::kInvalid, "the token's header names no algorithm");
  return jws;
}

Result<std::string> sign_jws(const PrivateKey& key, std::string_view key_id, std::string_view payload) {
  const std::string_view algorithm = key.public_key().jws_algorithm();
  if (algorithm.empty()) return fail(Code::kInvalid, "a key of this kind cannot sign tokens");
  json::object header{{"alg", algorithm}};
  if (!key_id.empty()) header["kid"] = key_id;
  const std::string input = base64url_encode(json::serialize(header)) + "." + base64url_encode(payload);
  std::string signature = TRY(digest_sign(key.get(), input));
  if (algorithm == "ES256") signature = raw_from_der(signature);
  return input + "." + base64url_encode(signature);
}

bool verify_jws(const Jws& jws, const PublicKey& key) {
  if (key.jws_algorithm().empty() || jws.algorithm != key.jws_algorithm()) return false;
  const std::string signature = jws.algorithm == "ES256" ? der_from_raw(jws.signature) : jws.signature;
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  const bool good = !signature.empty() &&
                    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
                    EVP_DigestVerify(context.get(), unsigned_data(signature), signature.size(),
                                     unsigned_data(jws.signing_input), jws.signing_input.size()) == 1;
  ERR_clear_error();
  return good;
}

std::string key_id(const PublicKey& key) { return base64url_encode(sha256(key.spki())); }

std::string to_jwk(const PublicKey& key) {
  json::object jwk{{"use", "sig"}};
  if (key.jws_algorithm() == "RS256") {
    jwk["kty"] = "RSA";
    jwk["kid"] = key_id(key);
    jwk["alg"] = "RS256";
    jwk["n"] = number_parameter(key.get(), OSSL_PKEY_PARAM_RSA_N, 0);
    jwk["e"] = number_parameter(key.get(), OSSL_PKEY_PARAM_RSA_E, 0);
  } else {
    jwk["kty"] = "EC";
    jwk["kid"] = key_id(key);
    jwk["crv"] = "P-256";
    jwk["alg"] = "ES256";
    jwk["x"] = number_parameter(key.get(), OSSL_PKEY_PARAM_EC_PUB_X, kP256NumberBytes);
    jwk["y"] = number_parameter(key.get(), OSSL_PKEY_PARAM_EC_PUB_Y, kP256NumberBytes);
  }
  return json::serialize(jwk);
}

std::string sign_detached_hs256(std::string_view key_id, std::string_view secret, std::string_view payload) {
  const std::string header = hs256_header(key_id);
  const std::string signature = hmac_sha256(secret, header + "." + base64url_encode(payload));
  return header + ".." + base64url_encode(signature);
}

bool verify_detached_hs256(std::string_view detached, std::string_view key_id, std::string_view secret,
                           std::string_view payload) {
  const auto parts = split(detached, '.');
  if (parts.size() != 3 || !parts[1].empty()) return false;
  const auto header = base64url_decode(parts[0]);
  const auto signature = base64url_decode(parts[2]);
  if (!header || !signature) return false;
  boost::system::error_code error;
  const json::value parsed = json::parse(*header, error);
  if (error || !parsed.is_object() || text_of(parsed.as_object(), "alg") != "HS256" ||
      text_of(parsed.as_object(), "kid") != key_id) {
    return false;
  }
  const std::string input = fmt::format("{}.{}", parts[0], base64url_encode(payload));
  return equal_in_constant_time(hmac_sha256(secret, input), *signature);
}

}  // namespace cloudless::pki
