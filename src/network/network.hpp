// Network: the pod network of one node. It learns the node's pod CIDR from its Node object, writes the CNI
// configuration, and keeps the routes to the other nodes' pods: native ones where the node is a neighbour on
// the same link, through a VXLAN device elsewhere. Peers of the gossip come from the same Node objects.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "gossip/gossip.hpp"
#include "net/address.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::client {
class Informers;
}

namespace cloudless::network {

enum class Encapsulation {
  kAuto,    // native to nodes on the same link, VXLAN to others
  kNative,  // routes only; nodes elsewhere are reached through the network's own routers
  kVxlan,   // everything between nodes
};

struct NetworkOptions {
  std::string node_name;
  /// Where all pod CIDRs lie, at most one per family.
  std::vector<net::Prefix> cluster_cidrs;
  std::vector<net::Prefix> service_cidrs;
  std::string cni_config_dir = "/etc/cni/net.d";
  std::string cni_bin_dir = "/opt/cni/bin";
  /// The program that serves as the plugin.
  std::string program = "/proc/self/exe";
  /// Addresses given to pods.
  std::string state_dir = "/var/lib/cloudless/network";
  Encapsulation encapsulation = Encapsulation::kAuto;
  uint32_t vxlan_id = 1;
  uint16_t vxlan_port = 8472;
  std::string vxlan_device = "cloudless-vx";
  /// Of pods; 0: the underlay's, less VXLAN's 50 bytes where it may be used.
  uint32_t mtu = 0;
  /// The first part of the nft tables' names, so that several nodes' state on one machine stays apart.
  std::string table_prefix = "cloudless";
  uint16_t gossip_port = gossip::kDefaultPort;
};

class Network {
 public:
  /// `gossip` may be null: a node without peers.
  Network(NetworkOptions options, client::Informers& informers, gossip::Gossip* gossip,
          runtime::EventLoop& loop, runtime::WorkerPool& workers, Logger log);
  ~Network();

  /// Sets the sysctls that forwarding needs and begins to follow the Nodes. kPermissionDenied, naming the
  /// sysctl and its remedy, where forwarding is off and cannot be turned on.
  runtime::Task<Result<>> start();
  /// Stops following; routes, devices and rules stay, so that pods keep their network while the agent is
  /// away.
  runtime::Task<void> stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Removes what Network and ServiceProxy left on this machine: routes, the VXLAN device, nft tables, the CNI
/// configuration. For `reset`. Blocking. The last error, after trying everything.
Result<> remove_network(const NetworkOptions& options);

}  // namespace cloudless::network
