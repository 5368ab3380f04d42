// What `init` tells a new API server: kubeadm's phases upload-config, mark-control-plane and bootstrap-token,
// what this program's roles need, and the user's further documents. Each step finds what an earlier try has
// done.
#pragma once

#include <string>
#include <vector>

#include "bootstrap/token.hpp"
#include "cli/apply_document.hpp"
#include "cli/control_plane_files.hpp"
#include "client/client.hpp"

namespace cloudless::cli {

/// kubeadm's controlPlaneComponentHealthCheck.
inline constexpr std::chrono::minutes kControlPlaneLimit{4};
inline constexpr std::chrono::milliseconds kControlPlanePoll{100};
inline constexpr std::string_view kControlPlaneLabel = "node-role.kubernetes.io/control-plane";
inline constexpr std::string_view kExcludeFromLoadBalancers =
    "node.kubernetes.io/exclude-from-external-load-balancers";

/// What keeps ordinary pods away from a control-plane node, where nobody says otherwise.
api::kubeadm::v1beta4::Taint control_plane_taint();

struct ClusterBootstrap {
  ControlPlaneConfiguration configuration;
  std::string kubelet_configuration;  // JSON
  std::string ca;                     // PEM
  std::string gossip_secret;
  std::vector<bootstrap::BootstrapTokenSpec> tokens;
  std::vector<bootstrap::FurtherDocument> further;
  std::string file;  // that `further` is from
};

/// Returns once GET /readyz is answered with ok; kDeadlineExceeded with the last answer after `limit`.
runtime::Task<Result<>> wait_for_api(const client::Client& client, Duration limit);

/// Gives the node its labels and taints as soon as it is registered.
runtime::Task<Result<>> mark_control_plane(const client::Client& client,
                                           const ControlPlaneConfiguration& configuration);

/// `client` is of system:masters: the roles that others need are made here.
runtime::Task<Result<>> bootstrap_cluster(const client::Client& client, const ClusterBootstrap& plan,
                                          Logger log);

/// The labels and taints by which a node is known to be of the control plane, as a merge patch. A
/// control-plane node without taints is there to run anything, so it is not kept from announcing Services'
/// addresses either.
std::string control_plane_mark(const std::vector<api::kubeadm::v1beta4::Taint>& taints,
                               const std::vector<api::kubeadm::v1beta4::Taint>& present);

}  // namespace cloudless::cli
