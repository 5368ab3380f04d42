// kube-apiserver's flags, as kubeadm's manifest and others pass them, turned into what an ApiHost is made
// from. Names, defaults and errors are upstream's (cmd/kube-apiserver/app/options).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/api_host.hpp"
#include "cli/command.hpp"

namespace cloudless::cli {

struct ApiServerPlan {
  ApiHostOptions host;
  LogOptions log;
  /// Whether --advertise-address has to be found on this machine.
  bool find_advertise_address = false;
  /// What the user should know: flags and plugins that have no effect here.
  std::vector<std::string> notices;
};

/// Pure: no file is read. kInvalid with upstream's words for what does not fit.
Result<ApiServerPlan> plan_api_server(std::span<const std::string> arguments);
/// The flags with their meaning.
std::string api_server_help();

}  // namespace cloudless::cli
