// Tokens as they come from outside: parsing, claims and verification never crash, and nothing verifies by
// chance.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "apiserver/authn/bootstrap_token.hpp"
#include "apiserver/authn/service_account.hpp"
#include "pki/jws.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless;
  static const pki::PrivateKey key = pki::PrivateKey::generate(pki::KeyType::kEcdsaP256).value();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)apiserver::authn::parse_bootstrap_token(text);
  (void)apiserver::authn::decode_claims(text);
  const auto jws = pki::parse_jws(text);
  if (!jws) return 0;
  (void)apiserver::authn::decode_claims(jws->payload);
  if (pki::verify_jws(*jws, key.public_key())) std::abort();
  return 0;
}
