#include "apiserver/authn/users.hpp"

#include "base/strings.hpp"

namespace cloudless::apiserver::authn {

std::string service_account_user(std::string_view namespace_, std::string_view name) {
  return fmt::format("{}{}:{}", kServiceAccountUserPrefix, namespace_, name);
}

std::optional<ServiceAccountName> parse_service_account_user(std::string_view user) {
  if (!user.starts_with(kServiceAccountUserPrefix)) return std::nullopt;
  const auto parts = split(user.substr(kServiceAccountUserPrefix.size()), ':');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) return std::nullopt;
  return ServiceAccountName{std::string(parts[0]), std::string(parts[1])};
}

UserInfo service_account(std::string_view namespace_, std::string_view name, std::string_view uid) {
  return {
      .name = service_account_user(namespace_, name),
      .uid = std::string(uid),
      .groups = {std::string(kServiceAccountsGroup), fmt::format("{}:{}", kServiceAccountsGroup, namespace_)},
      .extra = {}};
}

std::optional<std::string> node_name_of(const UserInfo& user) {
  if (!user.name.starts_with(kNodeUserPrefix) || !user.in_group(kNodesGroup)) return std::nullopt;
  return user.name.substr(kNodeUserPrefix.size());
}

UserInfo authenticated(UserInfo user) {
  if (!user.in_group(kGroupAuthenticated) && user.name != kUserAnonymous)
    user.groups.emplace_back(kGroupAuthenticated);
  return user;
}

}  // namespace cloudless::apiserver::authn
