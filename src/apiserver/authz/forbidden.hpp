// The words of a refusal (k8s.io/apiserver/pkg/endpoints/handlers/responsewriters).
#pragma once

#include <string>
#include <string_view>

#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authz {

/// `User "x" cannot list resource "pods" in API group "" in the namespace "default"`
std::string forbidden_message(const Attributes& attributes);

/// 403: `pods is forbidden: User "x" cannot list ...`, with the authorizer's reason behind a colon where it
/// has one.
ApiStatus forbidden_status(const Attributes& attributes, std::string_view reason);

}  // namespace cloudless::apiserver::authz
