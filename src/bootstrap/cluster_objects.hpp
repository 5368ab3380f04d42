// The objects by which a cluster lets nodes join and tells them its configuration, as `kubeadm init` makes
// them: the ConfigMaps kubeadm-config and kubelet-config, and who may read them, ask for a certificate, and
// get it approved.
#pragma once

#include <string>
#include <vector>

#include "api/kubeadm_v1beta4.hpp"
#include "base/result.hpp"
#include "client/client.hpp"

namespace cloudless::bootstrap {

/// An object to be there, whole, as JSON.
struct ClusterObject {
  client::Resource resource;
  std::string ns;
  std::string name;
  std::string json;
};

/// kubeadm:cluster-admins is admin of everything. Needed by admin.conf even where no node ever joins.
std::vector<ClusterObject> admin_objects();
/// What tokens and nodes may do.
std::vector<ClusterObject> join_objects();
/// Who may read the Secret by which a further control-plane node gets the cluster's certificates (its content
/// is encrypted).
std::vector<ClusterObject> certificate_reader_objects();
/// What the Service proxy, load balancer and DNS of a joined node read and report: the ClusterRole
/// cloudless:node, bound to system:nodes.
std::vector<ClusterObject> node_role_objects();
/// What the controller manager's user may do where it runs by itself: the ClusterRole
/// cloudless:controller-manager for the load balancer's allocator, the bootstrap signer and the cluster DNS
/// Service, and one binding for each of `controller_roles` (upstream's system:controller:*), because all
/// controllers share that user.
std::vector<ClusterObject> controller_manager_objects(const std::vector<std::string>& controller_roles);
/// `kubelet_configuration`: a KubeletConfiguration as JSON.
std::vector<ClusterObject> configuration_objects(const api::kubeadm::v1beta4::ClusterConfiguration& cluster,
                                                 const std::string& kubelet_configuration);

/// The names of the ClusterRoles that the API server made for controllers.
runtime::Task<Result<std::vector<std::string>>> list_controller_roles(const client::Client& client);

/// Creates each, and replaces what is there where it differs. Stops at the first error.
runtime::Task<Result<>> ensure_objects(const client::Client& client, std::vector<ClusterObject> objects);

}  // namespace cloudless::bootstrap
