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

namespace {

// What containers of a pod need together.
struct Needs {
  int64_t cpu_request = 0;  // thousandths
  int64_t cpu_limit = 0;
  int64_t memory_limit = 0;
};

Needs needs_of(const core::Container& container) {
  const Amounts& requests = container.resources.requests;
  const Amounts& limits = container.resources.limits;
  return {.cpu_request = milli_of(requests.contains("cpu") ? requests : limits, "cpu"),
          .cpu_limit = milli_of(limits, "cpu"),
          .memory_limit = value_of(limits, "memory")};
}
Needs sum(const Needs& a, const Needs& b) {
  return {a.cpu_request + b.cpu_request, a.cpu_limit + b.cpu_limit, a.memory_limit + b.memory_limit};
}
Needs larger(const Needs& a, const Needs& b) {
  return {std::max(a.cpu_request, b.cpu_request), std::max(a.cpu_limit, b.cpu_limit),
          std::max(a.memory_limit, b.memory_limit)};
}

bool all_have_limit(const core::PodSpec& spec, const char* name) {
  const auto has_limit = [name](const core::Container& container) {
    return container.resources.limits.contains(name);
  };
  return std::ranges::all_of(spec.containers, has_limit) &&
         std::ranges::all_of(spec.initContainers, has_limit);
}

}  // namespace

PodCgroupLimits pod_cgroup_limits(const core::Pod& pod) {
  Needs sidecars;  // those that have started before the init container that is looked at
  Needs while_starting;
  for (const core::Container& container : pod.spec.initContainers) {
    const Needs needed = sum(sidecars, needs_of(container));
    while_starting = larger(while_starting, needed);
    if (is_sidecar(container)) sidecars = needed;
  }
  Needs running = sidecars;
  for (const core::Container& container : pod.spec.containers) running = sum(running, needs_of(container));
  const Needs needed = larger(running, while_starting);
  return {.cpu_shares = cpu_shares_of_milli(needed.cpu_request),
          .cpu_quota = all_have_limit(pod.spec, "cpu") ? cpu_quota_of_milli(needed.cpu_limit) : 0,
          .memory_limit_bytes = all_have_limit(pod.spec, "memory") ? needed.memory_limit : 0};
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
