// The checks before init and join touch this machine, and the flag that makes errors of theirs warnings.
#pragma once

#include <string>
#include <vector>

#include "base/log.hpp"
#include "bootstrap/preflight.hpp"

namespace CLI {
class App;
}

namespace cloudless::cli {

/// --ignore-preflight-errors.
void add_preflight_flag(CLI::App& command, std::vector<std::string>& ignored);

/// Logs the warnings; fails with kubeadm's text of what is not as it has to be. Blocking.
Result<> run_preflight(const bootstrap::PreflightNeeds& needs, const std::vector<std::string>& ignored,
                       const Logger& log);

}  // namespace cloudless::cli
