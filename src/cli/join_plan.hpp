// JoinPlan: how `join` makes this machine a node, of the control plane or not, from its flags and documents.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bootstrap/documents.hpp"
#include "bootstrap/preflight.hpp"
#include "cli/node_address.hpp"
#include "cli/node_flags.hpp"
#include "cli/node_layout.hpp"

namespace cloudless::cli {

/// Empty: not given. What is given counts more than the document.
struct JoinFlags {
  NodeFlags node;
  NodeLayout layout;
  std::string config;
  std::string server;
  std::string token;
  std::string discovery_token;
  std::string tls_bootstrap_token;
  std::vector<std::string> ca_pins;
  bool skip_ca_verification = false;
  std::string discovery_file;
  bool control_plane = false;
  std::string certificate_key;
  std::string advertise_address;
  int32_t bind_port = 0;
  bool dry_run = false;
  std::vector<std::string> ignored_checks;
};

/// A further control-plane node. What is the cluster's is read from the cluster.
struct ControlPlaneJoin {
  /// localAPIEndpoint and nodeRegistration as an InitConfiguration has them.
  api::kubeadm::v1beta4::InitConfiguration init;
  /// Empty: the shared certificates have been put in place by hand.
  std::string certificate_key;
};

struct JoinPlan {
  std::string server;
  std::string discovery_token;
  std::string bootstrap_token;
  std::vector<std::string> ca_pins;
  bool skip_ca_verification = false;
  std::string discovery_file;
  Duration discovery_limit{};
  NodeLayout layout;
  std::vector<std::string> kubelet_arguments;
  std::optional<ControlPlaneJoin> control_plane;
  bool dry_run = false;
  bootstrap::PreflightOptions preflight;
  std::vector<std::string> ignored_checks;
};

enum class Credentials { kNeeded, kAtHand };

/// kInvalid with the rule that is broken; what a node must show is only asked for where it has no credentials
/// yet.
Result<JoinPlan> plan_join(const JoinFlags& flags, const bootstrap::Documents& documents,
                           const MachineIdentity& machine, Credentials credentials);

}  // namespace cloudless::cli
