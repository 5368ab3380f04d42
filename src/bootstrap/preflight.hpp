// What has to be so before init and join touch the machine, judged from facts that the shell has gathered;
// named and worded as kubeadm's checks (cmd/kubeadm/app/preflight), so that --ignore-preflight-errors takes
// the same names.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace cloudless::bootstrap {

/// The machine as it is.
struct MachineFacts {
  bool is_root = false;
  uint64_t memory_mb = 0;
  bool has_swap = false;
  std::set<uint16_t> ports_in_use;
  std::set<std::string> existing_files;      // of those asked about
  std::set<std::string> directories_in_use;  // that exist and are not empty
  std::set<std::string> missing_programs;
  std::string container_runtime_error;  // empty: it answers
};

/// What a command needs.
struct PreflightNeeds {
  std::vector<uint16_t> ports;
  std::vector<std::string> absent_files;
  std::vector<std::string> empty_directories;
  std::vector<std::string> programs;
  uint64_t min_memory_mb = 0;
  bool container_runtime = false;
};

/// What the machine is to be used for.
struct PreflightOptions {
  uint16_t api_port = 6443;
  uint16_t kubelet_port = 10250;
  std::string kubernetes_dir = "/etc/kubernetes";
  /// Empty: the store is external.
  std::string store_dir;
  /// Whether a container runtime of our own is started.
  bool own_runtime = true;
};
PreflightNeeds init_needs(const PreflightOptions& options);
PreflightNeeds join_needs(const PreflightOptions& options);
/// Of a further control-plane node: what the first needs, and that it is no node yet.
PreflightNeeds control_plane_join_needs(const PreflightOptions& options);

struct PreflightFinding {
  std::string check;  // "Port-10250"
  std::string message;
  bool fatal = true;
};

std::vector<PreflightFinding> check_preflight(const PreflightNeeds& needs, const MachineFacts& facts);

/// Findings that `ignored` names (in any case; "all" ignores everything) become warnings.
void ignore_findings(std::vector<PreflightFinding>& findings, const std::vector<std::string>& ignored);

/// kubeadm's text of the fatal ones; no error where there is none.
Result<> preflight_result(const std::vector<PreflightFinding>& findings);
/// "[WARNING Swap]: ..." lines of the others.
std::vector<std::string> preflight_warnings(const std::vector<PreflightFinding>& findings);

/// Looks at this machine for all that `needs` asks about, but the container runtime. Blocking.
MachineFacts gather_facts(const PreflightNeeds& needs);

}  // namespace cloudless::bootstrap
