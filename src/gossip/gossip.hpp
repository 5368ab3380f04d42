// Gossip: the running failure detector of one node. It owns a UDP socket, drives the SWIM state machine
// (swim.hpp) with packets and timers, and publishes what the machine believes as a Membership.
//
// Packets are sealed with AES-256-GCM under a key that all nodes share; what does not open is dropped without
// an answer. Peers are told by set_peers() (from Node objects) and learned from other members.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/random.hpp"
#include "gossip/membership.hpp"
#include "gossip/swim.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"

namespace cloudless::gossip {

/// The UDP port of gossip: memberlist's usual one.
inline constexpr uint16_t kDefaultPort = 7946;

struct GossipOptions {
  std::string node_name;
  /// The address that others reach this node by; packets leave from it.
  net::IpAddress advertise_address;
  uint16_t port = kDefaultPort;  // 0 takes a free one
  std::string key;               // 32 bytes: derive_key()
  SwimTuning tuning;
};

class Gossip final : public PublishedMembership {
 public:
  Gossip(GossipOptions options, runtime::EventLoop& loop, Random& random, Logger log);
  ~Gossip() override;

  /// Binds and begins to probe. kInvalid for a bad address or key, kUnavailable where the port is taken.
  runtime::Task<Result<>> start();
  /// Says goodbye, so that others act at once, and ends.
  runtime::Task<void> stop();

  /// Replaces the set of peers to contact; this node's own name is ignored. Members that are not in it and
  /// are dead are forgotten. Any thread.
  void set_peers(std::vector<Peer> peers);

  /// The bound port; after start().
  uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::gossip
