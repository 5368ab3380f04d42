// What `reset` removes, in order: a plan that the command prints, and performs unless it is a dry run.
#pragma once

#include <string>
#include <vector>

#include "api/kubeadm_v1beta4.hpp"

namespace cloudless::bootstrap {

struct ResetStep {
  enum class Kind {
    kUnmountBelow,    // everything mounted below the path
    kRemoveContents,  // what is in the folder; the folder stays
    kRemoveTree,
    kRemoveFile,
  };
  Kind kind;
  std::string path;
};

struct ResetOptions {
  std::string kubernetes_directory = "/etc/kubernetes";
  std::string kubelet_directory = "/var/lib/kubelet";
  std::vector<std::string> state_directories;  // the data directory, CNI state
};

/// Static manifests first, so that nothing is started again; mounts before what they are mounted on; state
/// last.
std::vector<ResetStep> plan_reset(const ResetOptions& options,
                                  const api::kubeadm::v1beta4::ResetConfiguration& config);

}  // namespace cloudless::bootstrap
