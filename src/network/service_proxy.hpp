// ServiceProxy: makes the Services of the cluster reachable on this node: ClusterIPs, node ports, load
// balancer and external addresses, in nf_tables (rules.hpp draws the tables). It takes the place of
// kube-proxy.
//
// A change of one Service or EndpointSlice changes that Service's elements in one small nft transaction;
// nothing is ever listed. At start the whole table is replaced at once, so what an earlier life left is gone
// and no packet meets half a table. Endpoints on nodes that the membership says are dead are dropped at once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "gossip/membership.hpp"
#include "net/address.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::client {
class Informers;
}

namespace cloudless::network {

struct ServiceProxyOptions {
  std::string node_name;
  std::vector<net::Prefix> cluster_cidrs;
  std::vector<net::Prefix> service_cidrs;
  /// The nft tables are `ip <prefix>` and `ip6 <prefix>`.
  std::string table_prefix = "cloudless";
  /// Where healthCheckNodePort and NodePort answer; empty: on all addresses of the node.
  std::vector<net::Prefix> node_port_addresses;
};

class ServiceProxy {
 public:
  ServiceProxy(ServiceProxyOptions options, client::Informers& informers, gossip::Membership& membership,
               runtime::EventLoop& loop, runtime::WorkerPool& workers, Logger log);
  ~ServiceProxy();

  /// kUnavailable, naming the Debian package, where nft is missing or may not change rules.
  runtime::Task<Result<>> start();
  /// The rules stay.
  runtime::Task<void> stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::network
