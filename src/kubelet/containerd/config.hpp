// What containerd is told: its configuration file (version 2, containerd 1.x) from what this host can do.
#pragma once

#include <string>

#include "kubelet/kubelet.hpp"

namespace cloudless::kubelet {

struct ContainerdConfig {
  std::string root_dir;   // images and snapshots, survive a reboot
  std::string state_dir;  // the socket and what runs now, on a tmpfs as a rule
  std::string socket;
  std::string cni_bin_dir;
  std::string cni_conf_dir;
  std::string registry_dir;  // hosts.toml files by registry
  std::string sandbox_image;
  std::string snapshotter = "overlayfs";
  CgroupDriver cgroup_driver = CgroupDriver::kCgroupfs;
  /// Without CAP_SYS_RESOURCE nobody may lower oom_score_adj below its own.
  bool restrict_oom_score_adj = false;
  bool apparmor = false;
};

std::string render_containerd_config(const ContainerdConfig& config);

/// What the host can do, by looking: capabilities, cgroup driver, apparmor, whether overlayfs mounts below
/// `root_dir` (which must exist). Blocks briefly.
void detect_host(ContainerdConfig& config);

}  // namespace cloudless::kubelet
