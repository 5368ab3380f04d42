// Kubelet: the node agent. It runs the pods that the API server binds to this node, and the static pods of a
// folder, through a container runtime (CRI v1); it reports their status, the node's own, and serves the
// kubelet's HTTP API for logs, exec, attach and port-forward.
//
//     static pods (folder) --+                       +-> RuntimeService, ImageService (CRI)
//     pods of this node -----+-> a worker per pod ---+-> volumes below root_dir/pods/<uid>/
//     runtime events --------+   plan() -> actions   +-> pod status, events, mirror pods (API)
//
// The runtime is the record: a Kubelet that starts finds running pods by their CRI labels and goes on with
// them, so that neither its restart nor a kill -9 touches a pod. stop() leaves pods running, too.
//
// Everything runs on the executor that start() is awaited on; what blocks goes to the WorkerPool.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "kubelet/cri/cri.hpp"
#include "net/http.hpp"
#include "runtime/task.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::client {
class Client;
}

namespace cloudless::kubelet {

enum class CgroupDriver { kCgroupfs, kSystemd };

struct Options {
  std::string node_name;
  /// Addresses that the Node object lists as InternalIP, first the one that is status.hostIP.
  std::vector<std::string> node_ips;
  /// Labels that this node sets on itself when it registers (kubelet's --node-labels).
  std::map<std::string, std::string> node_labels;
  /// Taints at registration, "key=value:Effect" (--register-with-taints).
  std::vector<std::string> register_with_taints;
  std::string provider_id;

  /// Volumes and pod state. Upstream: /var/lib/kubelet.
  std::string root_dir = "/var/lib/kubelet";
  /// Container logs, <namespace>_<name>_<uid>/<container>/<attempt>.log. Upstream: /var/log/pods.
  std::string log_dir = "/var/log/pods";
  /// The folder of static pods; empty for none. Upstream under kubeadm: /etc/kubernetes/manifests.
  std::string manifest_dir;

  std::vector<std::string> cluster_dns{"10.96.0.10"};
  std::string cluster_domain = "cluster.local";
  std::string resolv_conf = "/etc/resolv.conf";

  CgroupDriver cgroup_driver = CgroupDriver::kCgroupfs;
  /// The cgroup below which pods live, "/" for the root: gives /kubepods/...
  std::string cgroup_root = "/";
  int max_pods = 110;
  /// The port that the Node announces for the kubelet's API.
  int port = 10250;
  std::string version = "v1.35.0";
};

class Kubelet {
 public:
  /// `client` may be null: then only static pods run. What is passed by reference outlives the Kubelet.
  Kubelet(Options options, client::Client* client, cri::RuntimeService& runtime, cri::ImageService& images,
          runtime::WorkerPool& pool, Random& random, Logger log);
  ~Kubelet();
  Kubelet(const Kubelet&) = delete;
  Kubelet& operator=(const Kubelet&) = delete;

  /// Adopts what runs, starts static pods, then follows the API server as soon as it answers; returns when
  /// the workers are set up, without waiting for the API. An error where this node cannot run pods at all.
  runtime::Task<Result<>> start();
  /// Ends all work; pods go on running.
  runtime::Task<void> stop();

  /// The kubelet's HTTP API, for a net::Server on port 10250. Upgraded connections pass through.
  net::Handler handler();

  /// Told (on the executor) when the node's pod CIDRs become known or change.
  void on_pod_cidrs(std::function<void(const std::vector<std::string>&)> callback);

  /// Its inside (kubelet_state.hpp).
  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::kubelet
