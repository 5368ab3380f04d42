#include "apiserver/authn/bootstrap_token.hpp"

#include <algorithm>

#include "apiserver/authn/users.hpp"
#include "apiserver/json_fields.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::authn {

using runtime::Task;

namespace {

constexpr size_t kIdLength = 6;
constexpr size_t kSecretLength = 16;
constexpr std::string_view kSecretType = "bootstrap.kubernetes.io/token";

bool is_token_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

std::string data_of(const json::object& secret, std::string_view key) {
  return base64_decode(text_at(secret, {"data", key})).value_or("");
}

// Whether the Secret lets `token` in, now.
Result<> check(const json::object& secret, const BootstrapTokenText& token, WallTime now) {
  const auto refuse = [] { return fail(Code::kUnauthenticated, "bootstrap token does not hold"); };
  if (text_at(secret, {"type"}) != kSecretType || data_of(secret, "token-id") != token.id ||
      !equal_in_constant_time(data_of(secret, "token-secret"), token.secret)) {
    return refuse();
  }
  if (!text_at(secret, {"metadata", "deletionTimestamp"}).empty()) return refuse();
  if (data_of(secret, "usage-bootstrap-authentication") != "true") return refuse();
  const std::string expiration = data_of(secret, "expiration");
  if (expiration.empty()) return {};
  const auto expires = parse_rfc3339(expiration);
  if (!expires || now >= *expires) return refuse();
  return {};
}

// system:bootstrappers and what the Secret adds, which must be named below it.
Result<std::vector<std::string>> groups_of(const json::object& secret) {
  std::vector<std::string> groups{std::string(kBootstrappersGroup)};
  const std::string extra = data_of(secret, "auth-extra-groups");
  if (extra.empty()) return groups;
  for (const std::string_view group : split(extra, ',')) {
    if (!group.starts_with("system:bootstrappers:"))
      return fail(Code::kUnauthenticated,
                  "bootstrap token group {} is invalid (must match system:bootstrappers:...)", quote(group));
    groups.emplace_back(group);
  }
  return groups;
}

}  // namespace

std::optional<BootstrapTokenText> parse_bootstrap_token(std::string_view text) {
  if (text.size() != kIdLength + 1 + kSecretLength || text[kIdLength] != '.') return std::nullopt;
  const std::string_view id = text.substr(0, kIdLength);
  const std::string_view secret = text.substr(kIdLength + 1);
  if (!is_token_text(id) || !is_token_text(secret)) return std::nullopt;
  return BootstrapTokenText{std::string(id), std::string(secret)};
}

Task<Result<std::optional<TokenUser>>> BootstrapTokenAuthenticator::authenticate_token(
    std::string_view token, const std::vector<std::string>&) {
  const auto text = parse_bootstrap_token(token);
  if (!text) co_return std::nullopt;
  const auto secret = co_await objects_.get({"", "secrets"}, "kube-system", "bootstrap-token-" + text->id);
  if (!secret) co_return std::nullopt;
  CO_TRY(check(**secret, *text, clock_.wall_now()));
  UserInfo user{.name = fmt::format("{}{}", kBootstrapUserPrefix, text->id)};
  user.groups = CO_TRY(groups_of(**secret));
  co_return TokenUser{std::move(user), {}};
}

}  // namespace cloudless::apiserver::authn
