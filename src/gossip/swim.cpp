#include "gossip/swim.hpp"

#include <algorithm>
#include <bit>

namespace cloudless::gossip {

namespace {

/// Claims about third parties on every packet, whether news or not: what loss left apart comes together.
constexpr size_t kRandomClaims = 3;
/// A claim is news for this many packets for each doubling of the group.
constexpr int kSpreadFactor = 3;
/// Pings sent in others' stead that are remembered at the most.
constexpr size_t kMaxRelays = 256;

bool counts_as_up(const Member& member) {
  return member.state == MemberState::kAlive || member.state == MemberState::kSuspect;
}

std::pair<uint32_t, MemberState> rank(const Member& member) { return {member.incarnation, member.state}; }

}  // namespace

Swim::Swim(SwimTuning tuning, Peer self, uint32_t incarnation, Random& random, SteadyTime now)
    : tuning_(tuning), self_name_(self.name), random_(random), next_probe_(now), next_rejoin_(now) {
  members_[self_name_] = {self.name, self.address, MemberState::kAlive, incarnation};
}

std::vector<const Member*> Swim::up_members() const {
  std::vector<const Member*> up;
  for (const auto& [name, member] : members_) {
    if (name != self_name_ && counts_as_up(member)) up.push_back(&member);
  }
  return up;
}

std::vector<Peer> Swim::absent_peers() const {
  std::vector<Peer> absent;
  for (const auto& [name, peer] : peers_) {
    const auto member = members_.find(name);
    if (member == members_.end() || !counts_as_up(member->second)) absent.push_back(peer);
  }
  return absent;
}

// --- what goes out ---

Send Swim::compose(Message message, const net::SocketAddress& to, const std::string& receiver) {
  message.sender = self_name_;
  size_t size = encode(message).size();
  const auto add = [&](const Member& claim) {
    const bool there =
        std::ranges::any_of(message.claims, [&](const Member& other) { return other.name == claim.name; });
    const size_t needed = encoded_size(claim);
    if (there || message.claims.size() >= kMaxClaims || size + needed > kMaxPayload) return;
    size += needed;
    message.claims.push_back(claim);
  };
  add(self());
  // Whoever is thought gone hears it first, and can refute it.
  const auto about_receiver = members_.find(receiver);
  if (about_receiver != members_.end() && about_receiver->second.state != MemberState::kAlive)
    add(about_receiver->second);
  for (Rumour& rumour : rumours_) {
    if (const auto member = members_.find(rumour.member); member != members_.end()) add(member->second);
    --rumour.sends_left;
  }
  std::erase_if(rumours_, [](const Rumour& rumour) { return rumour.sends_left <= 0; });
  for (size_t i = 0; i < kRandomClaims; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(random_.below(members_.size()));
    add(std::next(members_.begin(), at)->second);
  }
  return {to, encode(message)};
}

Send Swim::ping(uint32_t sequence, const std::string& name, const net::SocketAddress& to) {
  Message message;
  message.type = MessageType::kPing;
  message.sequence = sequence;
  message.target = name;
  return compose(std::move(message), to, name);
}

void Swim::spread(const std::string& name) {
  std::erase_if(rumours_, [&](const Rumour& rumour) { return rumour.member == name; });
  const int doublings = static_cast<int>(std::bit_width(members_.size()));
  rumours_.push_front({name, kSpreadFactor * doublings});
}

void Swim::tell_up(const std::string& about, std::vector<Send>& out) {
  spread(about);
  std::vector<std::pair<std::string, net::SocketAddress>> receivers;
  for (const Member* member : up_members()) receivers.emplace_back(member->name, member->address);
  for (const auto& [name, address] : receivers) {
    Message message;
    message.claims = {members_.at(about)};
    out.push_back(compose(std::move(message), address, name));
  }
}

// To all that were ever heard of: they may see us as dead, as we see them.
void Swim::tell_everybody(std::vector<Send>& out) {
  spread(self_name_);
  std::map<std::string, net::SocketAddress> receivers;
  for (const auto& [name, peer] : peers_) receivers[name] = peer.address;
  for (const auto& [name, member] : members_) receivers[name] = member.address;
  receivers.erase(self_name_);
  for (const auto& [name, address] : receivers) out.push_back(compose(Message(), address, name));
}

std::vector<Send> Swim::leave() {
  std::vector<Send> out;
  left_ = true;
  self().state = MemberState::kLeft;
  ++version_;
  tell_everybody(out);
  return out;
}

// --- what is believed ---

void Swim::set_state(SteadyTime now, Member& member, MemberState state, uint32_t incarnation) {
  if (member.state != state) changed_at_[member.name] = now;
  member.state = state;
  member.incarnation = incarnation;
  ++version_;
}

void Swim::suspect(SteadyTime now, Member& member, uint32_t incarnation, std::vector<Send>& out) {
  set_state(now, member, MemberState::kSuspect, incarnation);
  tell_up(member.name, out);
}

void Swim::refute(uint32_t incarnation, std::vector<Send>& out) {
  self().incarnation = incarnation + 1;
  ++version_;
  tell_everybody(out);
}

void Swim::merge_unknown(SteadyTime now, const Member& claim) {
  // Of the dead only those count that are expected back; the others are on their way to be forgotten.
  if (!counts_as_up(claim) && !peers_.contains(claim.name)) return;
  if (claim.address == net::SocketAddress()) return;
  members_[claim.name] = claim;
  changed_at_[claim.name] = now;
  ++version_;
  spread(claim.name);
}

void Swim::merge(SteadyTime now, const Member& claim, std::vector<Send>& out) {
  if (claim.name == self_name_) {
    const bool wrong = rank(claim) > rank(self());
    if (wrong && !left_) refute(claim.incarnation, out);
    return;
  }
  const auto found = members_.find(claim.name);
  if (found == members_.end()) return merge_unknown(now, claim);
  Member& member = found->second;
  if (rank(claim) <= rank(member)) return;
  if (claim.state == MemberState::kDead && member.state == MemberState::kAlive)
    return suspect(now, member, claim.incarnation, out);
  member.address = claim.address;
  set_state(now, member, claim.state, claim.incarnation);
  spread(claim.name);
}

// --- what comes in ---

std::vector<Send> Swim::on_packet(SteadyTime now, const net::SocketAddress& from, std::string_view payload) {
  std::vector<Send> out;
  const auto message = decode(payload);
  if (!message || message->sender == self_name_) return out;
  forgive_stall(now);
  for (const Member& claim : message->claims) merge(now, claim, out);
  handle(now, from, *message, out);
  return out;
}

void Swim::handle(SteadyTime now, const net::SocketAddress& from, const Message& message,
                  std::vector<Send>& out) {
  if (left_) return;
  switch (message.type) {
    case MessageType::kPing: {
      // The address may have been another node's before.
      if (message.target != self_name_) return;
      Message ack;
      ack.type = MessageType::kAck;
      ack.sequence = message.sequence;
      ack.target = self_name_;
      out.push_back(compose(std::move(ack), from, message.sender));
      return;
    }
    case MessageType::kAck:
      return on_ack(now, message, out);
    case MessageType::kPingVia:
      return relay_ping(now, from, message, out);
    case MessageType::kGossip:
      return;
  }
}

void Swim::on_ack(SteadyTime now, const Message& message, std::vector<Send>& out) {
  std::erase_if(probes_, [&](const Probe& probe) {
    return probe.sequence == message.sequence && probe.target == message.target;
  });
  std::erase_if(relays_, [now](const Relay& relay) { return relay.expires <= now; });
  const auto relay = std::ranges::find(relays_, message.sequence, &Relay::sequence);
  if (relay == relays_.end()) return;
  Message ack;
  ack.type = MessageType::kAck;
  ack.sequence = relay->origin_sequence;
  ack.target = message.target;
  const net::SocketAddress origin = relay->origin;
  relays_.erase(relay);
  out.push_back(compose(std::move(ack), origin, ""));
}

void Swim::relay_ping(SteadyTime now, const net::SocketAddress& from, const Message& message,
                      std::vector<Send>& out) {
  if (relays_.size() >= kMaxRelays) relays_.erase(relays_.begin());
  const uint32_t sequence = ++sequence_;
  relays_.push_back({sequence, message.sequence, from, now + tuning_.indirect_timeout});
  out.push_back(ping(sequence, message.target, message.target_address));
}

// --- what time brings ---

std::optional<SteadyTime> Swim::next_timer() const {
  if (left_) return std::nullopt;
  std::optional<SteadyTime> next;
  const auto consider = [&next](SteadyTime time) { next = next ? std::min(*next, time) : time; };
  if (!up_members().empty()) consider(next_probe_);
  if (!absent_peers().empty()) consider(next_rejoin_);
  for (const Probe& probe : probes_) consider(probe.indirect_sent ? probe.give_up_at : probe.direct_until);
  for (const auto& [name, member] : members_) {
    if (member.state == MemberState::kSuspect) consider(changed_at_.at(name) + tuning_.suspicion_timeout);
    if (!counts_as_up(member) && !peers_.contains(name) && name != self_name_)
      consider(changed_at_.at(name) + tuning_.forget_after);
  }
  return next;
}

std::vector<Send> Swim::on_timer(SteadyTime now) {
  std::vector<Send> out;
  if (left_) return out;
  forgive_stall(now);
  advance_probes(now, out);
  expire_suspects(now, out);
  if (next_probe_ <= now && !up_members().empty()) start_probe(now, out);
  if (next_rejoin_ <= now) contact_absent(now, out);
  forget_old(now);
  return out;
}

void Swim::forgive_stall(SteadyTime now) {
  const auto due = next_timer();
  if (!due || now < *due + tuning_.stall_limit) return;
  probes_.clear();
  for (auto& [name, member] : members_) {
    if (member.state == MemberState::kSuspect) changed_at_[name] = now;
  }
  next_probe_ = now;
  next_rejoin_ = now;
}

std::optional<std::string> Swim::next_target() {
  const auto up = [this](const std::string& name) {
    const auto member = members_.find(name);
    return member != members_.end() && counts_as_up(member->second);
  };
  for (int rounds = 0; rounds < 2; ++rounds) {
    while (!round_.empty()) {
      std::string name = std::move(round_.back());
      round_.pop_back();
      if (up(name)) return name;
    }
    for (const Member* member : up_members()) round_.push_back(member->name);
    for (size_t i = round_.size(); i > 1; --i) std::swap(round_[i - 1], round_[random_.below(i)]);
  }
  return std::nullopt;
}

void Swim::start_probe(SteadyTime now, std::vector<Send>& out) {
  next_probe_ = now + tuning_.probe_interval;
  const auto target = next_target();
  if (!target) return;
  const uint32_t sequence = ++sequence_;
  const SteadyTime direct_until = now + tuning_.ack_timeout;
  probes_.push_back({sequence, *target, direct_until, direct_until + tuning_.indirect_timeout});
  out.push_back(ping(sequence, *target, members_.at(*target).address));
}

void Swim::send_indirect(Probe& probe, std::vector<Send>& out) {
  probe.indirect_sent = true;
  const net::SocketAddress target = members_.at(probe.target).address;
  std::vector<Peer> helpers;
  for (const Member* member : up_members()) {
    if (member->name != probe.target) helpers.push_back({member->name, member->address});
  }
  for (size_t i = 0; i < std::min(tuning_.indirect_probes, helpers.size()); ++i) {
    std::swap(helpers[i], helpers[i + random_.below(helpers.size() - i)]);
    Message request;
    request.type = MessageType::kPingVia;
    request.sequence = probe.sequence;
    request.target = probe.target;
    request.target_address = target;
    out.push_back(compose(std::move(request), helpers[i].address, helpers[i].name));
  }
  out.push_back(ping(probe.sequence, probe.target, target));
}

void Swim::advance_probes(SteadyTime now, std::vector<Send>& out) {
  std::vector<std::string> unanswered;
  std::erase_if(probes_, [&](Probe& probe) {
    const auto member = members_.find(probe.target);
    if (member == members_.end() || !counts_as_up(member->second)) return true;
    if (!probe.indirect_sent && probe.direct_until <= now) send_indirect(probe, out);
    if (probe.give_up_at > now) return false;
    unanswered.push_back(probe.target);
    return true;
  });
  for (const std::string& name : unanswered) {
    Member& member = members_.at(name);
    if (member.state == MemberState::kAlive) suspect(now, member, member.incarnation, out);
  }
}

void Swim::expire_suspects(SteadyTime now, std::vector<Send>& out) {
  for (auto& [name, member] : members_) {
    if (member.state != MemberState::kSuspect || changed_at_.at(name) + tuning_.suspicion_timeout > now)
      continue;
    set_state(now, member, MemberState::kDead, member.incarnation);
    tell_up(name, out);
  }
}

void Swim::contact_absent(SteadyTime now, std::vector<Send>& out) {
  next_rejoin_ = now + tuning_.rejoin_interval;
  const std::vector<Peer> absent = absent_peers();
  if (absent.empty()) return;
  const Peer& peer = absent[rejoin_cursor_++ % absent.size()];
  out.push_back(ping(++sequence_, peer.name, peer.address));
}

void Swim::forget_old(SteadyTime now) {
  const size_t removed = std::erase_if(members_, [&](const auto& entry) {
    const auto& [name, member] = entry;
    return name != self_name_ && !counts_as_up(member) && !peers_.contains(name) &&
           changed_at_.at(name) + tuning_.forget_after <= now;
  });
  if (removed == 0) return;
  std::erase_if(changed_at_, [this](const auto& entry) { return !members_.contains(entry.first); });
  ++version_;
}

std::vector<Send> Swim::set_peers(SteadyTime now, std::vector<Peer> peers) {
  std::vector<Send> out;
  std::map<std::string, Peer> next;
  for (Peer& peer : peers) {
    if (peer.name == self_name_) continue;
    const auto known = peers_.find(peer.name);
    const auto member = members_.find(peer.name);
    const bool up = member != members_.end() && counts_as_up(member->second);
    // A new peer is contacted at once; there is nothing to wait for.
    if (!left_ && !up && (known == peers_.end() || known->second != peer))
      out.push_back(ping(++sequence_, peer.name, peer.address));
    next.emplace(peer.name, std::move(peer));
  }
  peers_ = std::move(next);
  next_rejoin_ = std::max(next_rejoin_, now);
  return out;
}

}  // namespace cloudless::gossip
