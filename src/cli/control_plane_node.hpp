// What makes a node one of the control plane: static pods that run this program from an image made of it.
// `init` and `join --control-plane` do it alike.
#pragma once

#include <string>

#include "base/log.hpp"
#include "bootstrap/static_pods.hpp"
#include "cli/control_plane_files.hpp"

namespace cloudless::cli {

bootstrap::ControlPlanePodOptions control_plane_pod_options(const NodeLayout& layout,
                                                            const ControlPlaneConfiguration& configuration);

/// Puts the manifests in place; the agent starts them. Blocking.
Result<> write_manifests(const NodeLayout& layout, const ControlPlaneConfiguration& configuration,
                         const Logger& log);

/// The control plane's image as a file, for as long as this lives: containerd keeps the image.
class ControlPlaneImage {
 public:
  /// `data_dir`: where the file lies.
  explicit ControlPlaneImage(const std::string& data_dir);
  ~ControlPlaneImage();
  ControlPlaneImage(const ControlPlaneImage&) = delete;
  ControlPlaneImage& operator=(const ControlPlaneImage&) = delete;

  /// Blocking.
  Result<> write() const;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace cloudless::cli
