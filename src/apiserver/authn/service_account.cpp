#include "apiserver/authn/service_account.hpp"

#include <algorithm>

#include "apiserver/authn/users.hpp"
#include "apiserver/json_fields.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "pki/jws.hpp"

namespace cloudless::apiserver::authn {

using runtime::Task;

namespace {

constexpr std::string_view kLastUsed = "kubernetes.io/legacy-token-last-used";
constexpr std::string_view kInvalidSince = "kubernetes.io/legacy-token-invalid-since";
constexpr size_t kDateLength = std::string_view("2006-01-02").size();

std::unexpected<Error> refuse(std::string why) {
  return std::unexpected(Error{Code::kUnauthenticated, std::move(why)});
}

bool is_known_issuer(const ServiceAccountOptions& options, const std::string& issuer) {
  return issuer == kLegacyIssuer || std::ranges::find(options.issuers, issuer) != options.issuers.end();
}

bool is_signed(const ServiceAccountOptions& options, const pki::Jws& jws) {
  return std::ranges::any_of(options.keys, [&](const pki::PublicKey& key) {
    return (jws.key_id.empty() || jws.key_id == pki::key_id(key)) && pki::verify_jws(jws, key);
  });
}

// Whether `object` is the one that the token was made for and is not long gone.
Result<> check_bound(std::string_view kind, const json::object& object, const BoundObject& bound,
                     WallTime now) {
  if (!bound.uid.empty() && text_at(object, {"metadata", "uid"}) != bound.uid)
    return refuse(fmt::format("{} UID ({}) does not match claim ({})", kind,
                              text_at(object, {"metadata", "uid"}), bound.uid));
  const auto deleted = parse_rfc3339(text_at(object, {"metadata", "deletionTimestamp"}));
  if (deleted && *deleted + kDeletionGrace < now) return refuse(fmt::format("{} has been deleted", kind));
  return {};
}

Task<Result<ObjectPtr>> bound_object(Objects& objects, std::string_view kind, const GroupResource& resource,
                                     std::string_view namespace_, const BoundObject& bound, WallTime now) {
  auto object = co_await objects.get(resource, namespace_, bound.name);
  if (!object && object.error().code == 404) co_return refuse(fmt::format("{} has been deleted", kind));
  if (!object) co_return fail(Code::kUnavailable, "look up {} of a token: {}", kind, object.error().message);
  CO_TRY(check_bound(kind, **object, bound, now));
  co_return *object;
}

void add_binding(UserInfo& user, const BoundObject& object, std::string_view name_key,
                 std::string_view uid_key) {
  user.extra[std::string(name_key)] = {object.name};
  if (!object.uid.empty()) user.extra[std::string(uid_key)] = {object.uid};
}

UserInfo user_of(const ServiceAccountClaims& claims) {
  UserInfo user = service_account(claims.namespace_, claims.account.name, claims.account.uid);
  if (claims.pod) add_binding(user, *claims.pod, kExtraPodName, kExtraPodUid);
  if (claims.node) add_binding(user, *claims.node, kExtraNodeName, kExtraNodeUid);
  if (!claims.id.empty()) user.extra[std::string(kExtraCredentialId)] = {"JTI=" + claims.id};
  return user;
}

Result<> check_legacy_secret(const json::object& secret, const ServiceAccountClaims& claims,
                             std::string_view token) {
  const auto stored = base64_decode(text_at(secret, {"data", "token"}));
  if (!stored || !equal_in_constant_time(*stored, token))
    return refuse("token has been invalidated, its Secret has another");
  if (text_at(secret, {"metadata", "labels", kInvalidSince}).empty()) return {};
  return refuse(fmt::format(
      "the token in secret {0}/{1} for service account {0}/{2} has been marked invalid. Use tokens from the "
      "TokenRequest API or manually created secret-based tokens, or remove the '{3}' label from the secret "
      "to "
      "temporarily allow use of this token",
      claims.namespace_, name_of(secret), claims.account.name, kInvalidSince));
}

// The Secret says on which day its token was last used. Others may say so at the same time; that is as good.
Task<void> mark_used(Objects& objects, const json::object& secret, WallTime now) {
  const std::string today = format_rfc3339(now).substr(0, kDateLength);
  if (text_at(secret, {"metadata", "labels", kLastUsed}) == today) co_return;
  json::object marked = secret;
  make_object(marked, {"metadata", "labels"})[kLastUsed] = today;
  (void)co_await objects.update({"", "secrets"}, "", std::move(marked));
}

}  // namespace

Task<Result<UserInfo>> ServiceAccountAuthenticator::check_objects(const ServiceAccountClaims& claims,
                                                                  std::string_view token) {
  const WallTime now = clock_.wall_now();
  CO_TRY(co_await bound_object(objects_, "service account", {"", "serviceaccounts"}, claims.namespace_,
                               claims.account, now));
  if (claims.pod)
    CO_TRY(co_await bound_object(objects_, "pod", {"", "pods"}, claims.namespace_, *claims.pod, now));
  if (claims.node && !claims.pod)
    CO_TRY(co_await bound_object(objects_, "node", {"", "nodes"}, "", *claims.node, now));
  if (claims.secret) {
    const ObjectPtr secret = CO_TRY(
        co_await bound_object(objects_, "secret", {"", "secrets"}, claims.namespace_, *claims.secret, now));
    if (claims.issuer == kLegacyIssuer) {
      CO_TRY(check_legacy_secret(*secret, claims, token));
      co_await mark_used(objects_, *secret, now);
    }
  }
  co_return user_of(claims);
}

Task<Result<std::optional<TokenUser>>> ServiceAccountAuthenticator::authenticate_token(
    std::string_view token, const std::vector<std::string>& audiences) {
  const auto jws = pki::parse_jws(token);
  if (!jws) co_return std::nullopt;
  auto claims = decode_claims(jws->payload);
  if (!claims || !is_known_issuer(options_, claims->issuer)) co_return std::nullopt;
  if (!is_signed(options_, *jws)) co_return refuse("service account token signature is not valid");
  CO_TRY(check_time(*claims, clock_.wall_now()));
  // A token of a Secret is from before audiences: it is for the API server.
  const auto& meant_for = claims->issuer == kLegacyIssuer ? options_.audiences() : claims->audiences;
  auto accepted = intersect_audiences(audiences, meant_for);
  if (accepted.empty())
    co_return refuse(fmt::format("token audiences [{}] is invalid for the target audiences [{}]",
                                 join(meant_for, " "), join(audiences, " ")));
  if (claims->subject != service_account_user(claims->namespace_, claims->account.name))
    co_return refuse("service account token subject does not match its claims");
  co_return TokenUser{CO_TRY(co_await check_objects(*claims, token)), std::move(accepted)};
}

}  // namespace cloudless::apiserver::authn
