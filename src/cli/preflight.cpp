#include "cli/preflight.hpp"

#include <CLI/CLI.hpp>

namespace cloudless::cli {

void add_preflight_flag(CLI::App& command, std::vector<std::string>& ignored) {
  command.add_option("--ignore-preflight-errors", ignored, "Checks whose errors are warnings; 'all'")
      ->delimiter(',');
}

Result<> run_preflight(const bootstrap::PreflightNeeds& needs, const std::vector<std::string>& ignored,
                       const Logger& log) {
  auto findings = bootstrap::check_preflight(needs, bootstrap::gather_facts(needs));
  bootstrap::ignore_findings(findings, ignored);
  for (const std::string& warning : bootstrap::preflight_warnings(findings)) log.warn(warning);
  return bootstrap::preflight_result(findings);
}

}  // namespace cloudless::cli
