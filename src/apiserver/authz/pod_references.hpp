// Which other objects a pod needs on its node. The Node authorizer lets the node's agent read these and no
// others.
#pragma once

#include <boost/json/fwd.hpp>

#include <functional>
#include <string_view>

namespace cloudless::apiserver::authz {

enum class Referenced { kSecret, kConfigMap, kClaim, kServiceAccount, kResourceClaim };

/// Calls `visit` for each object of the pod's own namespace that `pod` names; may name one twice.
void visit_references(const boost::json::object& pod,
                      const std::function<void(Referenced kind, std::string_view name)>& visit);

}  // namespace cloudless::apiserver::authz
