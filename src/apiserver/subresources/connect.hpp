// Connections through the API server: logs, exec, attach and port-forward to a pod's agent, and the proxies
// of pods, Services and nodes. An upgraded connection (SPDY/3.1, WebSocket) is passed through as bytes;
// nothing is read on the way.
#pragma once

#include "apiserver/request/call.hpp"

namespace cloudless::apiserver {

/// Whether the subresource is one of these.
bool is_connect(std::string_view subresource);

/// Answers by itself; an error where nothing was sent yet. 400 with upstream's words for a container that
/// there is not.
runtime::Task<ApiResult<>> serve_connect(Registry& registry, NodeConnector& nodes, Call& call,
                                         net::Request request, net::ResponseWriter& response);

/// The agent's request for a log, exec, attach or port-forward of `pod`. Pure.
ApiResult<std::string> agent_target(const Call& call, const boost::json::object& pod);

}  // namespace cloudless::apiserver
