// Kubeconfigs that the cluster makes (k8s.io/client-go/tools/clientcmd/api/v1): one cluster, one user, one
// context. Reading any kubeconfig is client/kubeconfig.hpp's.
//
//     admin.conf               kubernetes-admin               kubeadm:cluster-admins
//     super-admin.conf         kubernetes-super-admin         system:masters
//     controller-manager.conf  system:kube-controller-manager
//     scheduler.conf           system:kube-scheduler
//     kubelet.conf             system:node:<name>             system:nodes
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "bootstrap/pki.hpp"

namespace cloudless::bootstrap {

struct Kubeconfig {
  std::string cluster = "kubernetes";
  std::string server;  // "https://192.0.2.1:6443"
  std::string ca;      // PEM; empty: the system's
  std::string user;
  // One of the three ways of showing who the user is; all empty for a cluster-info kubeconfig, which has no
  // user.
  Credential credential;        // PEM, embedded
  std::string credential_file;  // a path, for both the certificate and the key
  std::string token;
};

/// YAML as `kubectl config` writes it.
std::string render(const Kubeconfig& kubeconfig);

/// Which API server a kubeconfig names: the cluster's endpoint, or the one beside which a component runs.
enum class Reaches { kEndpoint, kLocal };

/// A kubeconfig of the control plane's own.
struct KubeconfigSpec {
  std::string file;  // "admin.conf"
  pki::Subject subject;
  Reaches reaches = Reaches::kEndpoint;
};
std::vector<KubeconfigSpec> kubeconfig_specs(const std::string& node_name);

struct KubeconfigOptions {
  std::string directory = "/etc/kubernetes";
  std::string server;
  /// This node's own API server, where the cluster's endpoint is another; empty: `server`.
  std::string local_server;
  pki::KeyType key_type = pki::KeyType::kEcdsaP256;
  Duration certificate_lifetime = kCertificateLifetime;
};

/// Makes the file (0600) where it is missing, and makes its certificate anew as ensure_pki() does for leaves:
/// soon to expire, or of another CA. A file with another user's credential, a token or paths is left alone.
/// True where the file was written. Blocking.
Result<bool> ensure_kubeconfig(const KubeconfigOptions& options, const KubeconfigSpec& spec,
                               const pki::Ca& ca, WallTime now);

}  // namespace cloudless::bootstrap
