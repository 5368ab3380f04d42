// Where the files of a node lie that `init` or `join` has made and `kubelet` runs again:
//
//     <kubernetes_dir>/              /etc/kubernetes: kubeconfigs; pki/, manifests/
//     <data_dir>/kubelet/config.yaml         KubeletConfiguration
//     <data_dir>/kubelet/kubeadm-flags.env   the agent's flags, as kubeadm writes them for the kubelet
//     <data_dir>/kubelet/pki/                the node's own certificates
//     <data_dir>/cluster.json                ClusterFacts
//     <data_dir>/api-servers                 where the API servers are, one URL a line
//     <data_dir>/control-plane.yaml          on a control-plane node: its configuration, defaults filled in
//     <data_dir>/db/                         on the control-plane node of a cluster without an external store
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/node_agent.hpp"
#include "cli/node_join.hpp"

namespace cloudless::cli {

struct NodeLayout {
  std::string data_dir = "/var/lib/cloudless";
  std::string kubernetes_dir = "/etc/kubernetes";
  /// --cert-dir, kubeadm's certificatesDir; empty: below kubernetes_dir.
  std::string certificates_dir;

  std::string pki_dir() const {
    return certificates_dir.empty() ? kubernetes_dir + "/pki" : certificates_dir;
  }
  std::string manifest_dir() const { return kubernetes_dir + "/manifests"; }
  std::string kubelet_config() const { return data_dir + "/kubelet/config.yaml"; }
  std::string kubelet_flags() const { return data_dir + "/kubelet/kubeadm-flags.env"; }
  std::string facts() const { return data_dir + "/cluster.json"; }
  std::string api_servers() const { return data_dir + "/api-servers"; }
  std::string control_plane() const { return data_dir + "/control-plane.yaml"; }
  std::string store_dir() const { return data_dir + "/db"; }
  NodeFiles node_files() const {
    return {.cert_dir = data_dir + "/kubelet/pki",
            .ca = pki_dir() + "/ca.crt",
            .kubeconfig = kubernetes_dir + "/kubelet.conf"};
  }
};

/// KUBELET_KUBEADM_ARGS="--a=b --c=d". kInvalid for an argument with white space or a quotation mark, which
/// the format cannot hold.
Result<std::string> encode_flags_file(const std::vector<std::string>& arguments);
/// The arguments again; nothing of any other line.
std::vector<std::string> decode_flags_file(std::string_view text);

/// What of a KubeletConfiguration (JSON or YAML) this agent follows: staticPodPath, clusterDNS,
/// clusterDomain, maxPods, cgroupRoot, resolvConf, port, registerWithTaints, containerRuntimeEndpoint. The
/// other fields' names come back: upstream's kubelet would do something about them. kInvalid for a wrong
/// type.
Result<std::vector<std::string>> apply_kubelet_configuration(std::string_view text, NodeAgentOptions& agent);

}  // namespace cloudless::cli
