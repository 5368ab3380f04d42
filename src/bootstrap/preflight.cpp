#include "bootstrap/preflight.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace cloudless::bootstrap {

namespace {

constexpr uint16_t kKubeletPort = 10250;
constexpr int kMinCpus = 2;
constexpr uint64_t kMinMemoryMb = 1700;

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
  if (facts.cpus < needs.min_cpus)
    out.push_back({"NumCPU", fmt::format("the number of available CPUs {} is less than the required {}",
                                         facts.cpus, needs.min_cpus)});
  if (facts.memory_mb < needs.min_memory_mb)
    out.push_back({"Mem", fmt::format("the system RAM ({} MB) is less than the minimum {} MB",
                                      facts.memory_mb, needs.min_memory_mb)});
  if (!facts.forwards_ipv4)
    out.push_back({"FileContent--proc-sys-net-ipv4-ip_forward",
                   "/proc/sys/net/ipv4/ip_forward contents are not set to 1"});
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

PreflightNeeds init_needs(uint16_t api_port, const std::string& data_directory) {
  return {.ports = {api_port, kKubeletPort},
          .absent_files = {"/etc/kubernetes/manifests/cloudless.yaml"},
          .empty_directories = {data_directory},
          .programs = {"containerd", "runc", "mount"},
          .min_cpus = kMinCpus,
          .min_memory_mb = kMinMemoryMb};
}

PreflightNeeds join_needs() {
  return {.ports = {kKubeletPort},
          .absent_files = {"/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf"},
          .empty_directories = {},
          .programs = {"containerd", "runc", "mount"}};
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
