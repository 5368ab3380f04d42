#include "bootstrap/reset.hpp"

namespace cloudless::bootstrap {

std::vector<ResetStep> plan_reset(const ResetOptions& options,
                                  const api::kubeadm::v1beta4::ResetConfiguration& config) {
  using Kind = ResetStep::Kind;
  std::vector<ResetStep> steps{{Kind::kRemoveContents, options.kubernetes_directory + "/manifests"},
                               {Kind::kUnmountBelow, options.kubelet_directory},
                               {Kind::kRemoveContents, options.kubelet_directory}};
  steps.push_back({Kind::kRemoveContents, config.certificatesDir.empty()
                                              ? options.kubernetes_directory + "/pki"
                                              : config.certificatesDir});
  for (const char* file : {"admin.conf", "super-admin.conf", "kubelet.conf", "bootstrap-kubelet.conf",
                           "controller-manager.conf", "scheduler.conf"}) {
    steps.push_back({Kind::kRemoveFile, options.kubernetes_directory + "/" + file});
  }
  if (config.cleanupTmpDir) steps.push_back({Kind::kRemoveContents, options.kubernetes_directory + "/tmp"});
  for (const std::string& directory : options.state_directories) {
    steps.push_back({Kind::kUnmountBelow, directory});
    steps.push_back({Kind::kRemoveTree, directory});
  }
  return steps;
}

}  // namespace cloudless::bootstrap
