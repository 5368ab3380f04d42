#include "bootstrap/preflight.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace cloudless::bootstrap {

namespace {

constexpr uint16_t kControllerManagerPort = 10257;
constexpr uint16_t kSchedulerPort = 10259;
// One processor does, and far less memory than kubeadm's 1700 MB.
constexpr uint64_t kMinMemoryMb = 400;

// "/etc/kubernetes/kubelet.conf" -> "-etc-kubernetes-kubelet.conf"
std::string path_label(std::string path) {
  std::ranges::replace(path, '/', '-');
  return path;
}

bool names(const std::vector<std::string>& ignored, const std::string& check) {
  return std::ranges::any_of(ignored, [&](const std::string& name) {
    return equal_ignoring_case(name, "all") || equal_ignoring_case(name, check);
  });
}

void check_machine(const PreflightNeeds& needs, const MachineFacts& facts,
                   std::vector<PreflightFinding>& out) {
  if (!facts.is_root) out.push_back({"IsPrivilegedUser", "user is not running as root"});
  if (facts.memory_mb < needs.min_memory_mb)
    out.push_back({"Mem", fmt::format("the system RAM ({} MB) is less than the minimum {} MB",
                                      facts.memory_mb, needs.min_memory_mb)});
  if (facts.has_swap)
    out.push_back(
        {"Swap", "swap is supported for cgroup v2 only. The kubelet must be properly configured to use swap",
         false});
  if (needs.container_runtime && !facts.container_runtime_error.empty())
    out.push_back({"CRI", "container runtime is not running: " + facts.container_runtime_error});
}

void check_paths(const PreflightNeeds& needs, const MachineFacts& facts, std::vector<PreflightFinding>& out) {
  for (const uint16_t port : needs.ports) {
    if (facts.ports_in_use.contains(port))
      out.push_back({fmt::format("Port-{}", port), fmt::format("Port {} is in use", port)});
  }
  for (const std::string& file : needs.absent_files) {
    if (facts.existing_files.contains(file))
      out.push_back({"FileAvailable-" + path_label(file), file + " already exists"});
  }
  for (const std::string& directory : needs.empty_directories) {
    if (facts.directories_in_use.contains(directory))
      out.push_back({"DirAvailable-" + path_label(directory), directory + " is not empty"});
  }
  for (const std::string& program : needs.programs) {
    if (facts.missing_programs.contains(program))
      out.push_back({"FileExisting-" + program, program + " not found in system path"});
  }
}

}  // namespace

PreflightNeeds init_needs(const PreflightOptions& options) {
  PreflightNeeds needs = join_needs(options);
  needs.ports = {options.api_port, kControllerManagerPort, kSchedulerPort, options.kubelet_port};
  needs.absent_files.clear();
  for (const char* component : {"kube-apiserver", "kube-controller-manager", "kube-scheduler"})
    needs.absent_files.push_back(fmt::format("{}/manifests/{}.yaml", options.kubernetes_dir, component));
  if (!options.store_dir.empty()) needs.empty_directories = {options.store_dir};
  needs.min_memory_mb = kMinMemoryMb;
  return needs;
}

PreflightNeeds control_plane_join_needs(const PreflightOptions& options) {
  PreflightNeeds needs = init_needs(options);
  for (std::string& file : join_needs(options).absent_files) needs.absent_files.push_back(std::move(file));
  return needs;
}

PreflightNeeds join_needs(const PreflightOptions& options) {
  PreflightNeeds needs{.ports = {options.kubelet_port},
                       .absent_files = {options.kubernetes_dir + "/kubelet.conf",
                                        options.kubernetes_dir + "/bootstrap-kubelet.conf"},
                       .empty_directories = {},
                       .programs = {"nft", "mount"}};
  if (options.own_runtime) needs.programs.insert(needs.programs.end(), {"containerd", "runc", "ctr"});
  return needs;
}

std::vector<PreflightFinding> check_preflight(const PreflightNeeds& needs, const MachineFacts& facts) {
  std::vector<PreflightFinding> findings;
  check_machine(needs, facts, findings);
  check_paths(needs, facts, findings);
  return findings;
}

void ignore_findings(std::vector<PreflightFinding>& findings, const std::vector<std::string>& ignored) {
  for (PreflightFinding& finding : findings) {
    if (names(ignored, finding.check)) finding.fatal = false;
  }
}

Result<> preflight_result(const std::vector<PreflightFinding>& findings) {
  std::string lines;
  for (const PreflightFinding& finding : findings) {
    if (finding.fatal) lines += fmt::format("\t[ERROR {}]: {}\n", finding.check, finding.message);
  }
  if (lines.empty()) return {};
  return fail(
      Code::kInvalid,
      "[preflight] Some fatal errors occurred:\n{}[preflight] If you know what you are doing, you can make a "
      "check non-fatal with `--ignore-preflight-errors=...`",
      lines);
}

std::vector<std::string> preflight_warnings(const std::vector<PreflightFinding>& findings) {
  std::vector<std::string> lines;
  for (const PreflightFinding& finding : findings) {
    if (!finding.fatal) lines.push_back(fmt::format("[WARNING {}]: {}", finding.check, finding.message));
  }
  return lines;
}

}  // namespace cloudless::bootstrap
