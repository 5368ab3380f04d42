// The cgroups above containers: /kubepods, its QoS classes, and one per pod. Containers' own are runc's.
// Works on hierarchies of version 1, the unified one, and both mounted side by side. With the systemd driver
// the slices are systemd's to make, and runc asks for them.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "kubelet/pod/resources.hpp"

namespace cloudless::kubelet {

class Cgroups {
 public:
  /// Looks at what is mounted below `mount_point`.
  explicit Cgroups(std::string mount_point = "/sys/fs/cgroup");

  /// True where the unified hierarchy carries the controllers.
  bool unified() const { return unified_; }

  /// Makes the pod's cgroup with its limits, and those above it. Blocks briefly.
  Result<> make_pod(const std::string& cgroup, const PodCgroupLimits& limits) const;
  /// Removes it with what is left below it; nothing may run in it.
  Result<> remove_pod(const std::string& cgroup) const;

 private:
  std::string mount_point_;
  bool unified_ = false;
  std::vector<std::string> controllers_;  // of version 1: folders below the mount point
};

}  // namespace cloudless::kubelet
