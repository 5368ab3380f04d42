// The configuration files of init, join and reset: one or several YAML documents, of which
// kubeadm.k8s.io/v1beta4, kubelet.config.k8s.io/v1beta1 and kubeproxy.config.k8s.io/v1alpha1 are read here.
// All others are objects for the cluster: they are handed back to be applied once the API answers.
//
// Reading is strict: what kubeadm's types do not know is refused with its line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/kubeadm_v1beta4.hpp"
#include "base/result.hpp"

namespace cloudless::bootstrap {

namespace kubeadm = api::kubeadm::v1beta4;

/// A document that is not for us: its first line in the file (from 1) and the object as JSON.
struct FurtherDocument {
  size_t line = 0;
  std::string json;
};

struct Documents {
  std::optional<kubeadm::InitConfiguration> init;
  std::optional<kubeadm::ClusterConfiguration> cluster;
  std::optional<kubeadm::JoinConfiguration> join;
  std::optional<kubeadm::ResetConfiguration> reset;
  /// Whether nodeRegistration.taints is written, be it as an empty list: only then it replaces the default
  /// taint.
  bool has_taints = false;
  std::optional<std::string> kubelet;     // KubeletConfiguration as JSON
  std::optional<std::string> kube_proxy;  // KubeProxyConfiguration as JSON
  std::vector<FurtherDocument> further;
};

/// `file` is its name, for errors: "init.yaml:7: unknown field \"networking.podSubnets\" in
/// ClusterConfiguration".
Result<Documents> read_documents(std::string_view text, std::string_view file);

/// Fills in kubeadm's defaults. Of what depends on the machine, `node_name` and `advertise_address`.
void apply_defaults(kubeadm::ClusterConfiguration& cluster);
void apply_defaults(kubeadm::InitConfiguration& init, const std::string& node_name,
                    const std::string& advertise_address);
void apply_defaults(kubeadm::JoinConfiguration& join, const std::string& node_name);
void apply_defaults(kubeadm::ResetConfiguration& reset);

/// The first rule that a document breaks, with the field's path.
Result<> validate(const kubeadm::ClusterConfiguration& cluster);
Result<> validate(const kubeadm::InitConfiguration& init);
Result<> validate(const kubeadm::JoinConfiguration& join);

/// A line of a YAML text for the value at `path` ("networking.podSubnet", "bootstrapTokens[0].ttl"), from 1;
/// the deepest part of the path that is there counts. 1 where none is.
size_t line_of(const std::string& yaml, std::string_view path);

}  // namespace cloudless::bootstrap
