// Resource requests and limits as cgroups have them (pkg/kubelet/cm/helpers_linux.go, pkg/kubelet/qos).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kubelet/kubelet.hpp"
#include "kubelet/pod/pod_runtime.hpp"

namespace cloudless::kubelet {

inline constexpr int64_t kCpuPeriodMicroseconds = 100'000;
inline constexpr int64_t kMinCpuShares = 2;
inline constexpr int64_t kMaxCpuShares = 262'144;

int64_t cpu_shares_of_milli(int64_t milli_cpu);
/// Microseconds per period; 0 for no limit.
int64_t cpu_quota_of_milli(int64_t milli_cpu);
/// cgroup v2's weight (1 to 10000) for v1's shares, as runc converts.
uint64_t cpu_weight_of_shares(int64_t shares);

/// What the container's own cgroup gets. `memory_capacity_bytes`: the node's, for the OOM score.
cri::Resources container_resources(const core::Pod& pod, const core::Container& container,
                                   int64_t memory_capacity_bytes, bool unified_cgroups);

/// The pod's cgroup: the sum of its containers and sidecars, or what it needs while an init container runs
/// beside the sidecars before it, if that is more (KEP-753).
struct PodCgroupLimits {
  int64_t cpu_shares = kMinCpuShares;
  int64_t cpu_quota = 0;           // 0: none, as not all containers have a limit
  int64_t memory_limit_bytes = 0;  // 0: none
};
PodCgroupLimits pod_cgroup_limits(const core::Pod& pod);

/// The pod's cgroup as CRI wants it: "/kubepods/burstable/pod<uid>", or the systemd slice
/// "kubepods-burstable-pod<uid>.slice" in full ("/kubepods.slice/kubepods-burstable.slice/...").
std::string pod_cgroup_parent(const core::Pod& pod, CgroupDriver driver, const std::string& cgroup_root);

/// Where a pod of that uid may have its cgroup (cgroupfs): of a pod that is known by its uid alone the class
/// is not.
std::vector<std::string> possible_pod_cgroups(const std::string& uid, const std::string& cgroup_root);

/// The amount of `resource` ("limits.cpu", "requests.memory") of a container in units of `divisor`, rounded
/// up; a missing limit is the node's allocatable (resourceFieldRef).
Result<std::string> resource_field(const core::Container& container,
                                   const core::ResourceFieldSelector& selector,
                                   const std::map<std::string, schema::Quantity>& node_allocatable);

}  // namespace cloudless::kubelet
