#include "kubelet/node/node_status.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace cloudless::kubelet {

namespace {

// What is held back so that the node itself is never out of memory (the hard eviction threshold's default).
constexpr int64_t kMemoryHeldBackBytes = 100 << 20;

core::Taint parse_taint(const std::string& text) {
  core::Taint taint;
  const size_t colon = text.rfind(':');
  taint.effect = colon == std::string::npos ? "NoSchedule" : text.substr(colon + 1);
  const std::string pair = text.substr(0, colon);
  const size_t equals = pair.find('=');
  taint.key = pair.substr(0, equals);
  if (equals != std::string::npos) taint.value = pair.substr(equals + 1);
  return taint;
}

core::NodeCondition condition(std::string type, bool value, std::string reason, std::string message) {
  core::NodeCondition out;
  out.type = std::move(type);
  out.status = value ? "True" : "False";
  out.reason = std::move(reason);
  out.message = std::move(message);
  return out;
}

core::NodeCondition ready_condition(const NodeInput& input) {
  std::vector<std::string> problems;
  if (!input.runtime) {
    problems.push_back("container runtime is down: " + input.runtime.error().message);
  } else {
    for (const cri::RuntimeCondition& c : *input.runtime) {
      if (c.status) continue;
      const char* what = c.type == "NetworkReady"
                             ? "container runtime network not ready"
                             : "container runtime status check may not have completed yet";
      problems.push_back(fmt::format("{}: {}=false reason:{} message:{}", what, c.type, c.reason, c.message));
    }
  }
  if (problems.empty()) return condition("Ready", true, "KubeletReady", "kubelet is posting ready status");
  return condition("Ready", false, "KubeletNotReady", "[" + join(problems, ", ") + "]");
}

void fill_conditions(const NodeInput& input, core::NodeStatus& status) {
  std::vector<core::NodeCondition> own{
      condition("MemoryPressure", false, "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available"),
      condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
      condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
      ready_condition(input)};
  for (core::NodeCondition& mine : own) {
    mine.lastHeartbeatTime = input.now;
    mine.lastTransitionTime = input.now;
    const auto before = std::ranges::find(status.conditions, mine.type, &core::NodeCondition::type);
    if (before == status.conditions.end()) {
      status.conditions.push_back(std::move(mine));
      continue;
    }
    if (before->status == mine.status && before->lastTransitionTime)
      mine.lastTransitionTime = before->lastTransitionTime;
    *before = std::move(mine);
  }
}

void fill_images(const NodeInput& input, core::NodeStatus& status) {
  std::vector<cri::Image> images = input.images;
  std::ranges::sort(images, std::ranges::greater(), &cri::Image::size_bytes);
  if (images.size() > kMaxImages) images.resize(kMaxImages);
  status.images.clear();
  for (const cri::Image& image : images) {
    core::ContainerImage& out = status.images.emplace_back();
    out.names = image.repo_digests;
    out.names.insert(out.names.end(), image.repo_tags.begin(), image.repo_tags.end());
    out.sizeBytes = static_cast<int64_t>(image.size_bytes);
  }
}

}  // namespace

std::map<std::string, schema::Quantity> node_capacity(const Options& options, const Machine& machine) {
  return {{"cpu", std::to_string(machine.cpus)},
          {"memory", fmt::format("{}Ki", machine.memory_bytes / 1024)},
          {"ephemeral-storage", fmt::format("{}Ki", machine.storage_bytes / 1024)},
          {"pods", std::to_string(options.max_pods)}};
}

std::map<std::string, schema::Quantity> node_allocatable(const Options& options, const Machine& machine) {
  auto out = node_capacity(options, machine);
  out["memory"] =
      fmt::format("{}Ki", std::max<int64_t>(machine.memory_bytes - kMemoryHeldBackBytes, 0) / 1024);
  // A tenth of the file system is the hard eviction threshold.
  out["ephemeral-storage"] = std::to_string(machine.storage_bytes / 10 * 9);
  return out;
}

core::Node make_node(const Options& options, const Machine& machine) {
  core::Node node;
  node.metadata.name = options.node_name;
  node.metadata.labels = options.node_labels;
  for (const char* prefix : {"", "beta."}) {
    node.metadata.labels[fmt::format("{}kubernetes.io/os", prefix)] = "linux";
    node.metadata.labels[fmt::format("{}kubernetes.io/arch", prefix)] = machine.architecture;
  }
  node.metadata.labels["kubernetes.io/hostname"] = options.node_name;
  node.metadata.annotations["volumes.kubernetes.io/controller-managed-attach-detach"] = "true";
  for (const std::string& taint : options.register_with_taints)
    node.spec.taints.push_back(parse_taint(taint));
  node.spec.providerID = options.provider_id;
  return node;
}

void fill_node_status(const NodeInput& input, core::NodeStatus& status) {
  status.capacity = node_capacity(input.options, input.machine);
  status.allocatable = node_allocatable(input.options, input.machine);
  status.addresses.clear();
  for (const std::string& ip : input.options.node_ips) {
    core::NodeAddress& address = status.addresses.emplace_back();
    address.type = "InternalIP";
    address.address = ip;
  }
  core::NodeAddress& hostname = status.addresses.emplace_back();
  hostname.type = "Hostname";
  hostname.address = input.options.node_name;
  status.daemonEndpoints.kubeletEndpoint.Port = input.options.port;
  core::NodeSystemInfo& info = status.nodeInfo;
  info.machineID = input.machine.machine_id;
  info.systemUUID = input.machine.system_uuid;
  info.bootID = input.machine.boot_id;
  info.kernelVersion = input.machine.kernel_version;
  info.osImage = input.machine.os_image;
  info.containerRuntimeVersion = input.runtime_version;
  info.kubeletVersion = input.options.version;
  info.operatingSystem = "linux";
  info.architecture = input.machine.architecture;
  fill_images(input, status);
  fill_conditions(input, status);
}

bool differ(const core::NodeStatus& a, const core::NodeStatus& b) {
  const auto still = [](core::NodeStatus status) {
    for (core::NodeCondition& condition : status.conditions) condition.lastHeartbeatTime.reset();
    return status;
  };
  return still(a) != still(b);
}

}  // namespace cloudless::kubelet
