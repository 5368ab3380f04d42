// SimulatedGroup: Swim machines joined by a network that delays, loses and cuts, in virtual time. Everything
// that happens follows from the seed.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "gossip/swim.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::gossip {

class SimulatedGroup {
 public:
  struct Network {
    double loss = 0;
    Duration min_delay = std::chrono::microseconds(100);
    Duration max_delay = std::chrono::milliseconds(2);
  };

  SimulatedGroup(uint64_t seed, size_t size, Network network);

  void run_for(Duration span) { simulation_.run_for(span); }
  SteadyTime now() const { return simulation_.clock().steady_now(); }

  /// The node stops: it neither sends nor receives nor keeps time.
  void power_off(const std::string& name);
  /// A new life of a node that was off.
  void power_on(const std::string& name);
  void leave(const std::string& name);
  /// The process stands still while the world goes on, and then continues with what it knew.
  void freeze(const std::string& name) { frozen_.insert(name); }
  void thaw(const std::string& name);
  /// Packets pass within each side alone.
  void partition(std::set<std::string> one_side) { side_ = std::move(one_side); }
  void heal() { side_.clear(); }

  static std::string name(size_t index) { return "n" + std::to_string(index); }
  /// Nodes that are on.
  std::set<std::string> running() const;
  MembershipView view_of(const std::string& name) const;
  /// True where every running node sees `member` in that state.
  bool all_see(const std::string& member, MemberState state) const;
  /// Runs until `done`, looking every 10 ms; how long it took, or nothing after `limit`.
  template <class Done>
  std::optional<Duration> run_until(Done done, Duration limit) {
    const SteadyTime start = now();
    while (!done()) {
      if (now() - start >= limit) return std::nullopt;
      run_for(std::chrono::milliseconds(10));
    }
    return now() - start;
  }
  size_t packets() const { return packets_; }
  size_t bytes() const { return bytes_; }

 private:
  struct Node {
    std::unique_ptr<Swim> swim;
    uint64_t timer = 0;
    uint64_t life = 0;
  };
  static net::SocketAddress address(size_t index);
  std::vector<Peer> peers() const;
  void start(size_t index);
  void arm(const std::string& name);
  void deliver(const std::string& from, std::vector<Send> messages);
  bool cut(const std::string& a, const std::string& b) const {
    return side_.contains(a) != side_.contains(b);
  }

  runtime::Simulation simulation_;
  const Network network_;
  const size_t size_;
  std::map<std::string, Node> nodes_;
  std::map<net::SocketAddress, std::string> by_address_;
  std::set<std::string> side_;
  std::set<std::string> frozen_;
  uint32_t lives_ = 1000;
  size_t packets_ = 0;
  size_t bytes_ = 0;
};

}  // namespace cloudless::gossip
