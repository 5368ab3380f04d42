// What a deployment's status says about its rollout (upstream: deployment/progress.go,
// util/deployment_util.go).
#pragma once

#include "controllers/deployment/rollout.hpp"

namespace cloudless::controllers::rollout {

/// Everything observed is up to date, available and nothing else runs.
bool is_complete(const Deployment& deployment, const DeploymentStatus& status);
/// The status as of now; `plan` looks again when the progress deadline ends.
DeploymentStatus status_of(const Rollout& rollout, const PlanContext& context, Plan& plan);

/// A Progressing condition as the controller words it.
void set_progressing(DeploymentStatus& status, const char* truth, const char* reason, std::string message,
                     WallTime now);

}  // namespace cloudless::controllers::rollout
