// The payload of service account tokens, written and read.
#include "apiserver/authn/service_account.hpp"
#include "apiserver/authn/users.hpp"
#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "pki/jws.hpp"

namespace cloudless::apiserver::authn {

namespace {

constexpr std::string_view kPrivateClaims = "kubernetes.io";
constexpr std::string_view kLegacyNamespace = "kubernetes.io/serviceaccount/namespace";
constexpr std::string_view kLegacySecret = "kubernetes.io/serviceaccount/secret.name";
constexpr std::string_view kLegacyAccount = "kubernetes.io/serviceaccount/service-account.name";
constexpr std::string_view kLegacyAccountUid = "kubernetes.io/serviceaccount/service-account.uid";

int64_t unix_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// Beyond this a WallTime of nanoseconds does not reach.
constexpr int64_t kLatestSecond = 9'000'000'000;

std::optional<WallTime> time_at(const json::object& object, std::string_view name) {
  const int64_t seconds = number_at(object, {name}, -1);
  if (seconds < 0) return std::nullopt;
  return WallTime(std::chrono::seconds(std::min(seconds, kLatestSecond)));
}

json::object to_json(const BoundObject& object) { return {{"name", object.name}, {"uid", object.uid}}; }

std::optional<BoundObject> object_at_name(const json::object& claims, std::string_view name) {
  const json::object* object = object_at(claims, {name});
  if (!object) return std::nullopt;
  return BoundObject{std::string(text_at(*object, {"name"})), std::string(text_at(*object, {"uid"}))};
}

std::vector<std::string> audiences_of(const json::object& payload) {
  const json::value* audience = payload.if_contains("aud");
  std::vector<std::string> out;
  if (audience && audience->is_string()) out.emplace_back(audience->get_string());
  for (const json::value& item : array_at(payload, {"aud"})) {
    if (item.is_string()) out.emplace_back(item.get_string());
  }
  return out;
}

void read_legacy(const json::object& payload, ServiceAccountClaims& claims) {
  claims.namespace_ = text_at(payload, {kLegacyNamespace});
  claims.account = {std::string(text_at(payload, {kLegacyAccount})),
                    std::string(text_at(payload, {kLegacyAccountUid}))};
  claims.secret = BoundObject{std::string(text_at(payload, {kLegacySecret})), {}};
}

void read_bound(const json::object& payload, ServiceAccountClaims& claims) {
  const json::object* kubernetes = object_at(payload, {kPrivateClaims});
  if (!kubernetes) return;
  claims.namespace_ = text_at(*kubernetes, {"namespace"});
  claims.account = object_at_name(*kubernetes, "serviceaccount").value_or(BoundObject{});
  claims.pod = object_at_name(*kubernetes, "pod");
  claims.secret = object_at_name(*kubernetes, "secret");
  claims.node = object_at_name(*kubernetes, "node");
  claims.warn_after = time_at(*kubernetes, "warnafter");
}

}  // namespace

std::string encode_claims(const ServiceAccountClaims& claims) {
  json::object kubernetes{{"namespace", claims.namespace_}, {"serviceaccount", to_json(claims.account)}};
  if (claims.node) kubernetes["node"] = to_json(*claims.node);
  if (claims.pod) kubernetes["pod"] = to_json(*claims.pod);
  if (claims.secret) kubernetes["secret"] = to_json(*claims.secret);
  if (claims.warn_after) kubernetes["warnafter"] = unix_seconds(*claims.warn_after);
  json::object payload{{"aud", json::array(claims.audiences.begin(), claims.audiences.end())}};
  if (claims.expires) payload["exp"] = unix_seconds(*claims.expires);
  payload["iat"] = unix_seconds(claims.issued_at);
  payload["iss"] = claims.issuer;
  payload["jti"] = claims.id;
  payload[kPrivateClaims] = std::move(kubernetes);
  payload["nbf"] = unix_seconds(claims.not_before);
  payload["sub"] = claims.subject;
  return json::serialize(payload);
}

Result<std::string> legacy_token(const pki::PrivateKey& key, std::string_view namespace_,
                                 std::string_view secret_name, const BoundObject& account) {
  const json::object payload{
      {"iss", kLegacyIssuer},           {kLegacyNamespace, namespace_},
      {kLegacySecret, secret_name},     {kLegacyAccount, account.name},
      {kLegacyAccountUid, account.uid}, {"sub", service_account_user(namespace_, account.name)}};
  return pki::sign_jws(key, pki::key_id(key.public_key()), json::serialize(payload));
}

Result<ServiceAccountClaims> decode_claims(std::string_view payload) {
  boost::system::error_code error;
  const json::value parsed = json::parse(payload, error);
  if (error || !parsed.is_object()) return fail(Code::kInvalid, "the token's payload is no JSON object");
  const json::object& object = parsed.get_object();
  ServiceAccountClaims claims;
  claims.issuer = text_at(object, {"iss"});
  claims.subject = text_at(object, {"sub"});
  claims.audiences = audiences_of(object);
  claims.id = text_at(object, {"jti"});
  claims.issued_at = time_at(object, "iat").value_or(WallTime{});
  claims.not_before = time_at(object, "nbf").value_or(WallTime{});
  claims.expires = time_at(object, "exp");
  if (claims.issuer == kLegacyIssuer) {
    read_legacy(object, claims);
  } else {
    read_bound(object, claims);
  }
  return claims;
}

Result<> check_time(const ServiceAccountClaims& claims, WallTime now) {
  const bool is_legacy = claims.issuer == kLegacyIssuer;
  if (!claims.expires && !is_legacy)
    return fail(Code::kUnauthenticated, "service account token has no expiry");
  if (claims.expires && now > *claims.expires + kTokenLeeway)
    return fail(Code::kUnauthenticated, "service account token has expired");
  if (now + kTokenLeeway < claims.not_before)
    return fail(Code::kUnauthenticated, "service account token is not valid yet");
  return {};
}

std::string jwks_document(const std::vector<pki::PublicKey>& keys) {
  std::vector<std::string> items;
  for (const pki::PublicKey& key : keys) items.push_back(pki::to_jwk(key));
  return "{\"keys\":[" + join(items, ",") + "]}";
}

std::optional<std::string> openid_configuration(const ServiceAccountOptions& options) {
  if (options.issuers.empty() || !options.issuers.front().starts_with("https://")) return std::nullopt;
  std::string base = options.issuers.front();
  while (base.ends_with('/')) base.pop_back();
  json::array algorithms;
  for (const std::string_view algorithm : {"RS256", "ES256"}) {
    for (const pki::PublicKey& key : options.keys) {
      if (key.jws_algorithm() != algorithm) continue;
      algorithms.emplace_back(algorithm);
      break;
    }
  }
  return json::serialize(json::object{{"issuer", options.issuers.front()},
                                      {"jwks_uri", base + "/openid/v1/jwks"},
                                      {"response_types_supported", json::array{"id_token"}},
                                      {"subject_types_supported", json::array{"public"}},
                                      {"id_token_signing_alg_values_supported", std::move(algorithms)}});
}

}  // namespace cloudless::apiserver::authn
