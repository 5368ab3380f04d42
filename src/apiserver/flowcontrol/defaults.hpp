// The FlowSchemas and PriorityLevelConfigurations that every cluster has
// (k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap). They are kept for those who read and edit them; this
// server bounds work by connection and queue, not by their levels.
#pragma once

#include <boost/json/fwd.hpp>

#include <vector>

#include "base/clock.hpp"

namespace cloudless::apiserver {

std::vector<boost::json::object> default_priority_levels();
/// With the condition that says that their priority level exists.
std::vector<boost::json::object> default_flow_schemas(WallTime now);

}  // namespace cloudless::apiserver
