// Names that users and groups have by convention (k8s.io/apiserver/pkg/authentication/user,
// .../serviceaccount).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authn {

inline constexpr std::string_view kServiceAccountUserPrefix = "system:serviceaccount:";
inline constexpr std::string_view kServiceAccountsGroup = "system:serviceaccounts";
inline constexpr std::string_view kNodeUserPrefix = "system:node:";
inline constexpr std::string_view kNodesGroup = "system:nodes";
inline constexpr std::string_view kBootstrapUserPrefix = "system:bootstrap:";
inline constexpr std::string_view kBootstrappersGroup = "system:bootstrappers";

inline constexpr std::string_view kExtraCredentialId = "authentication.kubernetes.io/credential-id";
inline constexpr std::string_view kExtraPodName = "authentication.kubernetes.io/pod-name";
inline constexpr std::string_view kExtraPodUid = "authentication.kubernetes.io/pod-uid";
inline constexpr std::string_view kExtraNodeName = "authentication.kubernetes.io/node-name";
inline constexpr std::string_view kExtraNodeUid = "authentication.kubernetes.io/node-uid";

struct ServiceAccountName {
  std::string namespace_;
  std::string name;
};

std::string service_account_user(std::string_view namespace_, std::string_view name);
/// Nothing where `user` is no service account.
std::optional<ServiceAccountName> parse_service_account_user(std::string_view user);
/// The user with the two groups that every service account of the namespace is in.
UserInfo service_account(std::string_view namespace_, std::string_view name, std::string_view uid);

/// The node's name where the user is a node: named system:node:<name> and in system:nodes.
std::optional<std::string> node_name_of(const UserInfo& user);

/// The user with system:authenticated, which everybody is in whose credential holds.
UserInfo authenticated(UserInfo user);

}  // namespace cloudless::apiserver::authn
