// The control plane as a static pod: one pod, one container, from an image made of this program. The node's
// agent starts it from its manifest before there is any API.
#pragma once

#include <string>
#include <vector>

#include "api/core_v1.hpp"

namespace cloudless::bootstrap {

inline constexpr std::string_view kControlPlaneManifest = "cloudless.yaml";

struct ControlPlanePodOptions {
  std::string image;
  /// The command line behind the program's name: {"server", "--data-dir=..."}.
  std::vector<std::string> arguments;
  std::string advertise_address;
  uint16_t api_port = 6443;
  /// Folders of the host that the container sees at the same path.
  std::vector<std::string> writable_directories;
  std::vector<std::string> readable_directories{"/etc/kubernetes"};
};

api::core::v1::Pod control_plane_pod(const ControlPlanePodOptions& options);
/// The manifest's text (YAML).
std::string control_plane_manifest(const ControlPlanePodOptions& options);

}  // namespace cloudless::bootstrap
