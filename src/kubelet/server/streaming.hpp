// exec, attach and port-forward: the streams of a client (SPDY/3.1 or WebSocket) joined to those of the
// container runtime's streaming server (SPDY/3.1), one to one.
#pragma once

#include <string>

#include "base/log.hpp"
#include "kubelet/cri/cri.hpp"
#include "net/stream_mux.hpp"
#include "net/tcp.hpp"

namespace cloudless::kubelet {

/// `url`: what the runtime gave for this one connection. Answers the request by an upgrade, or by an error.
/// Returns when either side has ended.
runtime::Task<void> join_remote_command(const net::Request& request, net::ResponseWriter& response,
                                        std::string url, cri::StreamOptions streams, net::Resolver& resolver,
                                        Logger log);
runtime::Task<void> join_port_forward(const net::Request& request, net::ResponseWriter& response,
                                      std::string url, net::Resolver& resolver, Logger log);

}  // namespace cloudless::kubelet
