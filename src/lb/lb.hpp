// The load balancer: Services of type LoadBalancer get addresses from MetalLB's IPAddressPools, and the nodes
// answer for these addresses by ARP and NDP without configuring them. It takes the place of MetalLB's
// controller and speaker (L2 mode); the resources are metallb.io/v1beta1, the annotations MetalLB's.
//
// LoadBalancerController writes: it gives addresses to Services by a pure plan (allocator.hpp). One runs at a
// time in the cluster, which is up to whoever starts it: the controllers' process is alone, or holds their
// lease, and a lease of its own would be written every two seconds for nothing. LoadBalancerSpeaker answers:
// one on every node. Which node answers for an address is computed by each node alone from the gossip
// membership and the Services' endpoints (election.hpp); nobody is asked, so an address moves as soon as a
// death is known.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "gossip/membership.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::client {
class Informers;
}

namespace cloudless::lb {

struct LoadBalancerOptions {
  std::string node_name;
  /// Where the resources live: MetalLB reads its own namespace alone. Empty: every namespace.
  std::string namespace_name;
  /// Set: only Services of this loadBalancerClass are served. Empty: only those without a class (as MetalLB).
  std::string load_balancer_class;
  /// Where ServiceL2Status objects go; none are written where there is no such namespace.
  std::string status_namespace = "metallb-system";
  /// Interfaces that are never announced on, as shell patterns.
  std::vector<std::string> excluded_interfaces = {"cloudless*", "cl???????????", "veth*", "docker*",
                                                  "cni*",       "flannel*",      "cali*"};
};

class LoadBalancerController {
 public:
  LoadBalancerController(LoadBalancerOptions options, client::Informers& informers, runtime::EventLoop& loop,
                         Random& random, Logger log);
  ~LoadBalancerController();

  /// Applies the metallb.io CustomResourceDefinitions and begins to allocate.
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class LoadBalancerSpeaker {
 public:
  LoadBalancerSpeaker(LoadBalancerOptions options, client::Informers& informers,
                      gossip::Membership& membership, runtime::EventLoop& loop, Random& random, Logger log);
  ~LoadBalancerSpeaker();

  runtime::Task<Result<>> start();
  /// Stops answering. After Gossip::stop() the others have taken over.
  runtime::Task<void> stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::lb
