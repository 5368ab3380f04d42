// The CNI plugin "loopback": containerd calls it for every pod, before the network itself, from the same
// folder. It brings the pod's lo up.
#pragma once

#include <ostream>
#include <string_view>

#include "network/cni_protocol.hpp"

namespace cloudless::network {

inline constexpr std::string_view kLoopbackPluginName = "loopback";

/// True where the network configuration asks for this plugin.
bool is_loopback_config(std::string_view input);

/// Runs one CNI command; the exit status.
int run_loopback_plugin(const Environment& environment, std::string_view input, std::ostream& output);

}  // namespace cloudless::network
