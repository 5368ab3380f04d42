#include "apiserver/authn/impersonation.hpp"

#include <algorithm>

#include "apiserver/authn/users.hpp"
#include "apiserver/authz/forbidden.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::authn {

using runtime::Task;

namespace {

constexpr std::string_view kExtraHeaderPrefix = "impersonate-extra-";
/// More values than this in one request are refused: each costs an authorization.
constexpr size_t kMaxImpersonatedValues = 256;

struct Wanted {
  UserInfo user;
  std::vector<Attributes> checks;
};

Attributes check_of(const UserInfo& requestor, std::string_view group, std::string_view resource,
                    std::string_view name) {
  Attributes attributes;
  attributes.user = requestor;
  attributes.verb = "impersonate";
  attributes.is_resource_request = true;
  attributes.group = group;
  attributes.version = "v1";
  attributes.resource = resource;
  attributes.name = name;
  return attributes;
}

void want_user(const UserInfo& requestor, std::string_view name, Wanted& wanted) {
  if (const auto account = parse_service_account_user(name)) {
    wanted.user = service_account(account->namespace_, account->name, "");
    Attributes check = check_of(requestor, "", "serviceaccounts", account->name);
    check.namespace_ = account->namespace_;
    wanted.checks.push_back(std::move(check));
    return;
  }
  wanted.user.name = name;
  wanted.checks.push_back(check_of(requestor, "", "users", name));
}

ApiResult<> want_extra(const UserInfo& requestor, std::string_view header, std::string_view value,
                       Wanted& wanted) {
  auto key = net::percent_decode(to_lower(header.substr(kExtraHeaderPrefix.size())), false);
  if (!key) return std::unexpected(bad_request(key.error().message));
  wanted.user.extra[*key].emplace_back(value);
  Attributes check = check_of(requestor, "authentication.k8s.io", "userextras", value);
  check.subresource = *key;
  wanted.checks.push_back(std::move(check));
  return {};
}

ApiResult<Wanted> read(const net::Headers& headers, const UserInfo& requestor) {
  Wanted wanted;
  const std::string_view name = headers.get("impersonate-user").value_or("");
  if (!name.empty()) want_user(requestor, name, wanted);
  bool asks = !name.empty();
  std::vector<std::string> groups;
  for (const auto& [header, value] : headers) {
    const std::string lower = to_lower(header);
    if (lower == "impersonate-group") {
      groups.push_back(value);
      wanted.checks.push_back(check_of(requestor, "", "groups", value));
    } else if (lower == "impersonate-uid") {
      wanted.user.uid = value;
      wanted.checks.push_back(check_of(requestor, "authentication.k8s.io", "uids", value));
    } else if (lower.starts_with(kExtraHeaderPrefix)) {
      TRY(want_extra(requestor, header, value, wanted));
    } else {
      continue;
    }
    asks = true;
  }
  if (asks && name.empty())
    return std::unexpected(
        internal_error("requested [" + join(groups, " ") + "] without impersonating a user"));
  if (wanted.checks.size() > kMaxImpersonatedValues)
    return std::unexpected(bad_request("too many Impersonate-* headers"));
  // The groups that a service account is in by itself give way to those that are named.
  if (!groups.empty()) wanted.user.groups = std::move(groups);
  return wanted;
}

// Everyone but the anonymous user is in system:authenticated, and the anonymous user in
// system:unauthenticated.
UserInfo with_standing_group(UserInfo user) {
  if (user.name != kUserAnonymous)
    return user.in_group(kGroupUnauthenticated) ? user : authenticated(std::move(user));
  if (!user.in_group(kGroupUnauthenticated)) user.groups.emplace_back(kGroupUnauthenticated);
  return user;
}

}  // namespace

Task<ApiResult<UserInfo>> HeaderImpersonator::impersonate(const net::Headers& headers, const UserInfo& user) {
  Wanted wanted = CO_TRY(read(headers, user));
  if (wanted.checks.empty()) co_return user;
  for (const Attributes& check : wanted.checks) {
    const Decision decision = co_await authorizer_.authorize(check);
    if (!decision.allowed()) co_return std::unexpected(authz::forbidden_status(check, decision.reason));
  }
  co_return with_standing_group(std::move(wanted.user));
}

}  // namespace cloudless::apiserver::authn
