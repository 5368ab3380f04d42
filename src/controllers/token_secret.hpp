// Secrets of type kubernetes.io/service-account-token (upstream:
// pkg/controller/serviceaccount/tokens_controller.go): they get a token of their ServiceAccount, the
// cluster's CA and their namespace, and go with the ServiceAccount.
#pragma once

#include <functional>

#include "api/core_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"

namespace cloudless::controllers {

/// Signs the token of a Secret for its ServiceAccount.
using MintToken = std::function<Result<std::string>(const api::core::v1::Secret& secret,
                                                    const api::core::v1::ServiceAccount& account)>;

/// Whether the token controller cares for the Secret.
bool is_token_secret(const api::core::v1::Secret& secret);
/// `account`: the one that the Secret names; null where there is none.
Result<Plan> plan_token_secret(const api::core::v1::Secret& secret,
                               const api::core::v1::ServiceAccount* account, const MintToken& mint,
                               const std::string& root_ca);
ControllerPtr make_token_secret_controller(const Deps& deps, MintToken mint, std::string root_ca);

}  // namespace cloudless::controllers
