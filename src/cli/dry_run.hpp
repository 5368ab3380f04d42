// What `--dry-run` prints in the place of doing it: every file with its content, every object, every step, in
// the order of the real run and in kubeadm's words. Pure; secrets are named, never shown.
#pragma once

#include <string>
#include <vector>

#include "bootstrap/reset.hpp"
#include "cli/init_plan.hpp"
#include "cli/join_plan.hpp"

namespace cloudless::cli {

std::string describe(const InitPlan& plan);
std::string describe(const JoinPlan& plan);
/// `state_dir`: the data directory, which goes last.
std::string describe(const std::vector<bootstrap::ResetStep>& steps, const std::string& state_dir);

}  // namespace cloudless::cli
