// JSON Web Signatures in compact form (RFC 7515), as service account tokens (RS256, ES256) and the
// cluster-info signatures of bootstrap tokens (HS256, detached) use them. The payload's meaning is the
// caller's.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "pki/key.hpp"

namespace cloudless::pki {

/// A token longer than this is refused unread.
inline constexpr size_t kMaxJwsBytes = 64 * 1024;

/// A compact JWS taken apart; its signature is not verified yet.
struct Jws {
  std::string algorithm;  // "RS256"
  std::string key_id;     // "" where the header has none
  std::string payload;
  std::string signing_input;
  std::string signature;
};

/// kInvalid for what is not three parts of base64url, or whose header is no JSON object with "alg".
Result<Jws> parse_jws(std::string_view token);

/// Signs with the key's own algorithm; `key_id` goes into the header where it is not empty.
Result<std::string> sign_jws(const PrivateKey& key, std::string_view key_id, std::string_view payload);

/// Whether `key` made the signature. False where the algorithm is not the key's own: what the token says
/// never chooses the algorithm.
bool verify_jws(const Jws& jws, const PublicKey& key);

/// Upstream's key id: base64url of the SHA-256 of the DER of the SubjectPublicKeyInfo.
std::string key_id(const PublicKey& key);

/// The key as a JSON Web Key (RFC 7517) for JWKS: kty, kid, alg, use and its numbers.
std::string to_jwk(const PublicKey& key);

/// "header..signature" over `payload` by HMAC-SHA-256 with `secret`, its header naming `key_id` (RFC 7515,
/// appendix F).
std::string sign_detached_hs256(std::string_view key_id, std::string_view secret, std::string_view payload);
/// Whether `detached` is what sign_detached_hs256() makes.
bool verify_detached_hs256(std::string_view detached, std::string_view key_id, std::string_view secret,
                           std::string_view payload);

}  // namespace cloudless::pki
