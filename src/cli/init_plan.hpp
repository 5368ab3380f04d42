// InitPlan: what `init` is going to do, from its flags and documents. Pure: nothing is read or made.
#pragma once

#include <string>
#include <vector>

#include "bootstrap/documents.hpp"
#include "bootstrap/preflight.hpp"
#include "bootstrap/token.hpp"
#include "cli/control_plane_files.hpp"
#include "cli/node_address.hpp"
#include "cli/node_flags.hpp"
#include "cli/node_layout.hpp"

namespace cloudless::cli {

/// Empty and zero: not given. What is given counts more than the documents.
struct InitFlags {
  NodeFlags node;
  NodeLayout layout;
  std::string config;
  std::string control_plane_endpoint;
  std::string advertise_address;
  int32_t bind_port = 0;
  std::vector<std::string> extra_sans;
  std::string pod_cidr;
  std::string service_cidr;
  std::string domain;
  std::string datastore_endpoint;
  std::string token;
  std::string token_ttl;
  bool skip_token_print = false;
  bool upload_certs = false;
  std::string certificate_key;
  bool skip_certificate_key_print = false;
  bool dry_run = false;
  std::vector<std::string> ignored_checks;
};

struct InitPlan {
  ControlPlaneConfiguration configuration;
  /// Defaults and the user's KubeletConfiguration, as JSON: published, and followed by this node.
  std::string kubelet_configuration;
  NodeFlags node;
  NodeLayout layout;
  /// kubeadm-flags.env's content.
  std::vector<std::string> kubelet_arguments;
  /// By which further control-plane nodes get the shared certificates; empty: they are not uploaded.
  std::string certificate_key;
  bool dry_run = false;
  bootstrap::PreflightOptions preflight;
  std::vector<std::string> ignored_checks;
  std::vector<bootstrap::BootstrapTokenSpec> tokens;
  std::vector<bootstrap::FurtherDocument> further;
};

/// kInvalid with the rule that is broken. `random` makes a token where none is given.
Result<InitPlan> plan_init(InitFlags flags, bootstrap::Documents documents, const MachineIdentity& machine,
                           Random& random, WallTime now);

/// The line by which another machine joins.
std::string join_command_line(const std::string& endpoint, const std::string& token,
                              const std::string& ca_pin);

/// Secrets that the message leaves out.
struct Withheld {
  bool token = false;
  bool certificate_key = false;
};
/// What kubeadm says at the end.
std::string init_message(const InitPlan& plan, const std::string& ca_pin, Withheld withheld);

}  // namespace cloudless::cli
