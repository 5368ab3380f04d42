#include "kubelet/pod/resources.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "kubelet/pod/pod_status.hpp"

namespace cloudless::kubelet {

namespace {

using Amounts = std::map<std::string, schema::Quantity>;

constexpr int64_t kMinQuotaMicroseconds = 1000;
// pkg/kubelet/qos/policy.go
constexpr int64_t kGuaranteedOomScore = -997;
constexpr int64_t kBestEffortOomScore = 1000;
constexpr int32_t kSystemCriticalPriority = 2'000'000'000;

int64_t milli_of(const Amounts& amounts, const char* name) {
  const auto found = amounts.find(name);
  return found == amounts.end() ? 0 : found->second.milli_value();
}
int64_t value_of(const Amounts& amounts, const char* name) {
  const auto found = amounts.find(name);
  return found == amounts.end() ? 0 : found->second.value();
}

int64_t oom_score(const core::Pod& pod, const core::Container& container, int64_t capacity) {
  if (pod.spec.priority.value_or(0) >= kSystemCriticalPriority) return kGuaranteedOomScore;
  const std::string qos = qos_class_of(pod);
  if (qos == "Guaranteed") return kGuaranteedOomScore;
  if (qos == "BestEffort" || capacity <= 0) return kBestEffortOomScore;
  const int64_t request = value_of(container.resources.requests, "memory");
  const auto score =
      static_cast<int64_t>(1000 - 1000.0 * static_cast<double>(request) / static_cast<double>(capacity));
  // Burstable stays between guaranteed and best effort.
  return std::clamp(score, 1000 + kGuaranteedOomScore, kBestEffortOomScore - 1);
}

}  // namespace

int64_t cpu_shares_of_milli(int64_t milli_cpu) {
  return std::clamp(milli_cpu * 1024 / 1000, kMinCpuShares, kMaxCpuShares);
}

int64_t cpu_quota_of_milli(int64_t milli_cpu) {
  if (milli_cpu == 0) return 0;
  return std::max(milli_cpu * kCpuPeriodMicroseconds / 1000, kMinQuotaMicroseconds);
}

uint64_t cpu_weight_of_shares(int64_t shares) {
  return static_cast<uint64_t>(1 + (std::clamp(shares, kMinCpuShares, kMaxCpuShares) - 2) * 9999 / 262142);
}

cri::Resources container_resources(const core::Pod& pod, const core::Container& container,
                                   int64_t memory_capacity_bytes, bool unified_cgroups) {
  const Amounts& limits = container.resources.limits;
  const Amounts& requests = container.resources.requests;
  const int64_t cpu_limit = milli_of(limits, "cpu");
  const int64_t cpu_request = requests.contains("cpu") ? milli_of(requests, "cpu") : cpu_limit;
  cri::Resources out;
  out.cpu_shares = cpu_shares_of_milli(cpu_request);
  out.cpu_quota = cpu_quota_of_milli(cpu_limit);
  out.cpu_period = kCpuPeriodMicroseconds;
  out.memory_limit_bytes = value_of(limits, "memory");
  out.oom_score_adj = oom_score(pod, container, memory_capacity_bytes);
  // The container is killed as a whole, not process by process (KEP-2570).
  if (unified_cgroups) out.unified["memory.oom.group"] = "1";
  return out;
}

PodCgroupLimits pod_cgroup_limits(const core::Pod& pod) {
  int64_t cpu_request = 0, cpu_limit = 0, memory_limit = 0;
  bool all_cpu = true, all_memory = true;
  const auto look = [&](const core::Container& container) {
    all_cpu = all_cpu && container.resources.limits.contains("cpu");
    all_memory = all_memory && container.resources.limits.contains("memory");
  };
  for (const core::Container& container : pod.spec.containers) {
    look(container);
    const Amounts& requests = container.resources.requests;
    cpu_request +=
        requests.contains("cpu") ? milli_of(requests, "cpu") : milli_of(container.resources.limits, "cpu");
    cpu_limit += milli_of(container.resources.limits, "cpu");
    memory_limit += value_of(container.resources.limits, "memory");
  }
  int64_t sidecar_cpu_request = 0, sidecar_cpu_limit = 0, sidecar_memory_limit = 0;
  for (const core::Container& container : pod.spec.initContainers) {
    look(container);
    const int64_t request = milli_of(container.resources.requests, "cpu");
    const int64_t cpu = milli_of(container.resources.limits, "cpu");
    const int64_t memory = value_of(container.resources.limits, "memory");
    cpu_request = std::max(cpu_request, sidecar_cpu_request + request);
    cpu_limit = std::max(cpu_limit, sidecar_cpu_limit + cpu);
    memory_limit = std::max(memory_limit, sidecar_memory_limit + memory);
    if (!is_sidecar(container)) continue;
    sidecar_cpu_request += request;
    sidecar_cpu_limit += cpu;
    sidecar_memory_limit += memory;
    cpu_request += request;
    cpu_limit += cpu;
    memory_limit += memory;
  }
  return {.cpu_shares = cpu_shares_of_milli(cpu_request),
          .cpu_quota = all_cpu ? cpu_quota_of_milli(cpu_limit) : 0,
          .memory_limit_bytes = all_memory ? memory_limit : 0};
}

std::string pod_cgroup_parent(const core::Pod& pod, CgroupDriver driver, const std::string& cgroup_root) {
  const std::string qos = qos_class_of(pod);
  const std::string middle = qos == "Guaranteed" ? "" : to_lower(qos);
  if (driver == CgroupDriver::kSystemd) {
    std::string uid = pod.metadata.uid;
    std::ranges::replace(uid, '-', '_');
    const std::string parent = middle.empty() ? "kubepods" : "kubepods-" + middle;
    const std::string slices = middle.empty() ? "/kubepods.slice" : "/kubepods.slice/" + parent + ".slice";
    return fmt::format("{}/{}-pod{}.slice", slices, parent, uid);
  }
  const std::string root = cgroup_root == "/" ? "" : cgroup_root;
  return fmt::format("{}/kubepods{}/pod{}", root, middle.empty() ? "" : "/" + middle, pod.metadata.uid);
}

std::vector<std::string> possible_pod_cgroups(const std::string& uid, const std::string& cgroup_root) {
  const std::string root = cgroup_root == "/" ? "" : cgroup_root;
  std::vector<std::string> out;
  for (const char* middle : {"", "/burstable", "/besteffort"})
    out.push_back(fmt::format("{}/kubepods{}/pod{}", root, middle, uid));
  return out;
}

Result<std::string> resource_field(const core::Container& container,
                                   const core::ResourceFieldSelector& selector,
                                   const Amounts& node_allocatable) {
  const auto pieces = split(selector.resource, '.');
  if (pieces.size() < 2 || (pieces[0] != "limits" && pieces[0] != "requests"))
    return fail(Code::kInvalid, "unsupported container resource : {}", selector.resource);
  const bool is_limit = pieces[0] == "limits";
  const std::string name = selector.resource.substr(pieces[0].size() + 1);
  const Amounts& amounts = is_limit ? container.resources.limits : container.resources.requests;
  const auto own = amounts.find(name);
  schema::Quantity amount;
  if (own != amounts.end()) {
    amount = own->second;
  } else if (const auto node = node_allocatable.find(name); is_limit && node != node_allocatable.end()) {
    amount = node->second;
  }
  const auto divisor = schema::parse_quantity(selector.divisor.empty() ? "1" : selector.divisor.text);
  const auto parsed = schema::parse_quantity(amount.empty() ? "0" : amount.text);
  if (!parsed || !divisor) return fail(Code::kInvalid, "{}: not a quantity", selector.resource);
  const schema::NanoUnits by = divisor->nanos == 0 ? schema::NanoUnits(1'000'000'000) : divisor->nanos;
  return std::to_string(static_cast<int64_t>((parsed->nanos + by - 1) / by));
}

}  // namespace cloudless::kubelet
