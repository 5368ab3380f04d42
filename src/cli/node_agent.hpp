// NodeAgent: everything that one node runs, wired together: containerd, the kubelet and its HTTP API, the pod
// network, the Service proxy, gossip, the load balancer's speaker and the DNS server. `up` and every other
// node run it; only the client that it is given differs.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "client/informers.hpp"
#include "gossip/membership.hpp"
#include "kubelet/containerd/containerd.hpp"
#include "net/address.hpp"
#include "net/tls.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::cli {

struct NodeAgentOptions {
  std::string node_name;
  net::IpAddress node_ip;
  std::string data_dir;
  /// "unix:///..." of a container runtime that somebody else runs; empty: a containerd of our own.
  std::string runtime_endpoint;
  std::string manifest_dir;
  /// What the node says of itself when it registers (kubelet's --node-labels, --register-with-taints).
  std::map<std::string, std::string> node_labels;
  std::vector<std::string> register_with_taints;
  int max_pods = 110;
  std::string resolv_conf = "/etc/resolv.conf";
  /// The cgroup that holds the pods', so that several nodes on one machine stay apart.
  std::string cgroup_root = "/";
  std::vector<net::Prefix> pod_cidrs;
  std::vector<net::Prefix> service_cidrs;
  net::IpAddress cluster_dns;
  std::string cluster_domain = "cluster.local";
  std::vector<net::SocketAddress> dns_listen;
  uint16_t kubelet_port = 10250;
  net::TlsServerOptions kubelet_tls;
  uint16_t gossip_port = 0;
  std::string gossip_key;
  /// OCI archives that pods may use without a registry.
  std::vector<std::string> image_archives;
  /// The nft tables' name, so that several nodes on one machine stay apart.
  std::string table_prefix = "cloudless";
  /// Whether this node says in events what DNS cannot serve; one of a cluster does.
  bool reports_dns = false;
};

/// The folder of a data directory's sockets: below /run, with a short name.
std::string node_run_dir(const std::string& data_dir);
/// The containerd of a data directory.
kubelet::ContainerdOptions node_containerd_options(const std::string& data_dir);

class NodeAgent {
 public:
  /// All references outlive this.
  NodeAgent(NodeAgentOptions options, runtime::EventLoop& loop, client::Client& client,
            client::Informers& informers, Random& random, metrics::Registry& registry, Logger log);
  ~NodeAgent();

  /// Starts all of it. The first failure ends the start, with its reason; stop() is then still due.
  runtime::Task<Result<>> start();
  /// Says goodbye to the other nodes, then ends all work. Pods, rules and routes stay.
  runtime::Task<void> stop();

  /// Who is alive. After start().
  gossip::Membership& membership();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace cloudless::cli
