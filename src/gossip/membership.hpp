// Membership: who is alive, as this node knows it now. One detector feeds virtual IPs, Service endpoints, DNS
// and node health, so that all of them move together.
//
// A view is an immutable snapshot. A node that no view lists is *unknown*, not dead: whoever drops something
// asks is_dead(), whoever elects asks is_alive().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "net/address.hpp"

namespace cloudless::gossip {

enum class MemberState : uint8_t {
  kAlive = 0,
  kSuspect = 1,  // did not answer; still counts as alive until its time to refute is over
  kDead = 2,
  kLeft = 3,  // said goodbye
};

std::string_view to_string(MemberState state);

struct Member {
  std::string name;  // the Node's name
  net::SocketAddress address;
  MemberState state = MemberState::kAlive;
  uint32_t incarnation = 0;
  friend bool operator==(const Member&, const Member&) = default;
};

struct MembershipView {
  std::string self;
  uint64_t version = 0;                                // grows with every change
  std::map<std::string, Member, std::less<>> members;  // by name, self included

  /// Alive or suspect.
  bool is_alive(std::string_view name) const;
  /// Known, and dead or left.
  bool is_dead(std::string_view name) const;
};

class Membership {
 public:
  virtual ~Membership() = default;
  /// Never null. Any thread.
  virtual std::shared_ptr<const MembershipView> view() const = 0;
  /// `changed` is called after every change until the returned handle is destroyed, on whatever thread made
  /// the change; it must not block (it usually notifies a runtime::Signal). Any thread.
  [[nodiscard]] virtual std::shared_ptr<void> subscribe(std::function<void()> changed) = 0;
};

/// A Membership that is told what to say: the base of Gossip, and by itself what a node without peers and
/// tests use. Thread-safe.
class PublishedMembership : public Membership {
 public:
  explicit PublishedMembership(std::string self);
  std::shared_ptr<const MembershipView> view() const override;
  std::shared_ptr<void> subscribe(std::function<void()> changed) override;
  /// Replaces the view and tells subscribers. The version is set here.
  void publish(std::map<std::string, Member, std::less<>> members);

 private:
  struct Subscribers {
    std::mutex mutex;
    uint64_t last_id = 0;
    std::map<uint64_t, std::function<void()>> callbacks;
  };
  mutable std::mutex mutex_;
  std::shared_ptr<const MembershipView> view_;
  std::shared_ptr<Subscribers> subscribers_ = std::make_shared<Subscribers>();
};

}  // namespace cloudless::gossip
