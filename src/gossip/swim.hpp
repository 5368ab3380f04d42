// Swim: the state machine of one member of a SWIM group (Das, Gupta, Motivala: "SWIM: Scalable
// Weakly-consistent Infection-style Process Group Membership Protocol", 2002), tuned for 50 nodes or fewer on
// one network. Pure: packets and times go in, packets come out.
//
//   every probe_interval: ping the next member (a shuffled round)
//     ack within ack_timeout           -> alive
//     else ping it through k others, and once more directly
//     ack within indirect_timeout      -> alive
//     else                             -> suspect, told to all at once
//   suspect for suspicion_timeout      -> dead, told to all at once
//
// A member enters by being heard of: a peer that never answered is unknown, not dead. A claim of death about
// a member that looks alive here is taken as suspicion, so that a node that comes back from a partition,
// where everybody looked dead, does no harm. A process that was stopped for a while forgives what it missed.
//
//              alive(i)  refuted by the member itself: alive(i+1)
//      alive(i) ----> suspect(i) ----> dead(i) ----> alive(i+1)
//           \----------- left(i), said by itself -------/
//
// Only a member raises its own incarnation. Between two claims about a member the higher incarnation wins;
// at the same incarnation, left > dead > suspect > alive. With so few nodes, bad news goes to everybody
// directly; claims also ride on every packet, and some at random ones, which heals what was lost.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "gossip/membership.hpp"
#include "gossip/message.hpp"

namespace cloudless::gossip {

struct Peer {
  std::string name;
  net::SocketAddress address;
  friend bool operator==(const Peer&, const Peer&) = default;
};

struct SwimTuning {
  Duration probe_interval = std::chrono::milliseconds(200);
  Duration ack_timeout = std::chrono::milliseconds(120);
  Duration indirect_timeout = std::chrono::milliseconds(180);
  Duration suspicion_timeout = std::chrono::milliseconds(400);
  /// How often one peer that is dead or was never heard of is pinged.
  Duration rejoin_interval = std::chrono::seconds(1);
  /// A dead member that is no peer is forgotten after this.
  Duration forget_after = std::chrono::seconds(60);
  size_t indirect_probes = 3;
  /// A timer this late means that we were stopped: what we missed says nothing about others.
  Duration stall_limit = std::chrono::milliseconds(500);
};

/// A message to send; the shell seals it.
struct Send {
  net::SocketAddress to;
  std::string payload;
};

class Swim {
 public:
  /// `incarnation`: above that of this member's earlier lives (wall time in seconds does).
  Swim(SwimTuning tuning, Peer self, uint32_t incarnation, Random& random, SteadyTime now);

  std::vector<Send> on_packet(SteadyTime now, const net::SocketAddress& from, std::string_view payload);
  /// Call at next_timer(), or at any time.
  std::vector<Send> on_timer(SteadyTime now);
  /// When on_timer() has something to do; nothing while there is nobody to talk to.
  std::optional<SteadyTime> next_timer() const;
  std::vector<Send> set_peers(SteadyTime now, std::vector<Peer> peers);
  /// The goodbye to everybody.
  std::vector<Send> leave();

  /// Self included.
  const std::map<std::string, Member, std::less<>>& members() const { return members_; }
  /// Grows whenever members() changes in name, address, state or incarnation.
  uint64_t version() const { return version_; }

 private:
  struct Probe {
    uint32_t sequence;
    std::string target;
    SteadyTime direct_until;
    SteadyTime give_up_at;
    bool indirect_sent = false;
  };
  // A ping that was sent for somebody else: its ack goes back to them.
  struct Relay {
    uint32_t sequence;
    uint32_t origin_sequence;
    net::SocketAddress origin;
    SteadyTime expires;
  };

  struct Rumour {
    std::string member;
    int sends_left;
  };

  void handle(SteadyTime now, const net::SocketAddress& from, const Message& message, std::vector<Send>& out);
  void on_ack(SteadyTime now, const Message& message, std::vector<Send>& out);
  void relay_ping(SteadyTime now, const net::SocketAddress& from, const Message& message,
                  std::vector<Send>& out);
  void merge(SteadyTime now, const Member& claim, std::vector<Send>& out);
  void merge_unknown(SteadyTime now, const Member& claim);
  void refute(uint32_t incarnation, std::vector<Send>& out);
  void set_state(SteadyTime now, Member& member, MemberState state, uint32_t incarnation);
  void suspect(SteadyTime now, Member& member, uint32_t incarnation, std::vector<Send>& out);
  void spread(const std::string& name);
  void forgive_stall(SteadyTime now);
  void advance_probes(SteadyTime now, std::vector<Send>& out);
  void send_indirect(Probe& probe, std::vector<Send>& out);
  void expire_suspects(SteadyTime now, std::vector<Send>& out);
  void start_probe(SteadyTime now, std::vector<Send>& out);
  void contact_absent(SteadyTime now, std::vector<Send>& out);
  void forget_old(SteadyTime now);
  void tell_everybody(std::vector<Send>& out);
  void tell_up(const std::string& about, std::vector<Send>& out);
  Send compose(Message message, const net::SocketAddress& to, const std::string& receiver);
  Send ping(uint32_t sequence, const std::string& name, const net::SocketAddress& to);
  std::vector<Peer> absent_peers() const;
  std::optional<std::string> next_target();
  std::vector<const Member*> up_members() const;  // without self
  Member& self() { return members_.at(self_name_); }

  const SwimTuning tuning_;
  const std::string self_name_;
  Random& random_;
  std::map<std::string, Member, std::less<>> members_;
  std::map<std::string, SteadyTime> changed_at_;  // when each member got its state
  std::map<std::string, Peer> peers_;
  uint64_t version_ = 1;
  uint32_t sequence_ = 0;
  std::vector<std::string> round_;  // members still to be probed in this round, last first
  std::vector<Probe> probes_;
  std::vector<Relay> relays_;
  std::deque<Rumour> rumours_;  // freshest first
  SteadyTime next_probe_;
  SteadyTime next_rejoin_;
  size_t rejoin_cursor_ = 0;
  bool left_ = false;
};

}  // namespace cloudless::gossip
