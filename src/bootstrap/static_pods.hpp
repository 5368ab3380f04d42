// The control plane as static pods, as kubeadm makes them (cmd/kubeadm/app/phases/controlplane):
// kube-apiserver with its store, kube-controller-manager and kube-scheduler, each from an image made of this
// program. The node's agent starts them from their manifests before there is any API.
//
// The store of a cluster without an external one is SQLite, opened by kube-apiserver itself: there is no etcd
// pod, no port and no certificate between the two.
#pragma once

#include <string>
#include <vector>

#include "api/core_v1.hpp"
#include "api/kubeadm_v1beta4.hpp"

namespace cloudless::bootstrap {

struct ControlPlanePodOptions {
  std::string image;
  std::string advertise_address;
  uint16_t api_port = 6443;
  /// Kubeconfigs, below it the manifests.
  std::string kubernetes_dir = "/etc/kubernetes";
  std::string certificates_dir = "/etc/kubernetes/pki";
  /// Where the store's files lie, where it is not external.
  std::string store_dir = "/var/lib/cloudless/db";
  /// The EncryptionConfiguration; empty: Secrets are stored as they are.
  std::string encryption_config;
  std::string cluster_domain = "cluster.local";
  std::string pod_subnet = "10.244.0.0/16";
  std::string service_subnet = "10.96.0.0/12";
  std::string cluster_name = "kubernetes";
};

/// A manifest by the name of its file: "kube-apiserver.yaml".
struct StaticPod {
  std::string file;
  api::core::v1::Pod pod;
};

/// Of `cluster`, only the components' extraArgs, extraEnvs and extraVolumes and the external store are read.
/// An extra argument takes the place of ours of that name.
std::vector<StaticPod> control_plane_pods(const ControlPlanePodOptions& options,
                                          const api::kubeadm::v1beta4::ClusterConfiguration& cluster);
/// The manifest's text (YAML).
std::string manifest_of(const api::core::v1::Pod& pod);

}  // namespace cloudless::bootstrap
