// The cluster's certificates and kubeconfigs on a control-plane node: what is made from, made, and renewed.
#pragma once

#include <optional>
#include <string>

#include "api/kubeadm_v1beta4.hpp"
#include "bootstrap/kubeconfig.hpp"
#include "bootstrap/pki.hpp"
#include "cli/node_layout.hpp"

namespace cloudless::cli {

struct ControlPlaneFiles {
  std::string node_name;
  bootstrap::PkiOptions pki;
  bootstrap::KubeconfigOptions kubeconfigs;
};

/// kubeadm's two documents, whose defaults are filled in.
struct ControlPlaneConfiguration {
  api::kubeadm::v1beta4::ClusterConfiguration cluster;
  api::kubeadm::v1beta4::InitConfiguration init;

  /// "host:port" by which nodes reach the API server: the control plane's endpoint, else this server's
  /// address.
  std::string endpoint() const;
  /// "host:port" of this node's own API server.
  std::string local_endpoint() const;
};

/// As YAML documents, and back.
std::string encode_configuration(ControlPlaneConfiguration configuration);
Result<ControlPlaneConfiguration> decode_configuration(std::string_view text, std::string_view file);

/// kInvalid for a lifetime that cannot be read.
Result<ControlPlaneFiles> control_plane_files(const NodeLayout& layout,
                                              const ControlPlaneConfiguration& configuration);
/// From what `init` has left; nothing on a node without a control plane. Blocking.
Result<std::optional<ControlPlaneFiles>> find_control_plane_files(const NodeLayout& layout);

/// Makes what is missing and renews what is due: all but kubelet.conf, which refers to the certificate that
/// the node renews by itself. True where something was made. Blocking.
Result<bool> ensure_files(const ControlPlaneFiles& files, WallTime now);

/// The first control-plane node needs nobody's token: its certificate is signed right here. Makes it, and
/// kubelet.conf, where they are missing or expired. Blocking.
Result<> ensure_node_credentials(const NodeFiles& node, const ControlPlaneFiles& files, WallTime now);

}  // namespace cloudless::cli
