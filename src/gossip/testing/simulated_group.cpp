#include "gossip/testing/simulated_group.hpp"

namespace cloudless::gossip {

SimulatedGroup::SimulatedGroup(uint64_t seed, size_t size, Network network)
    : simulation_(seed), network_(network), size_(size) {
  for (size_t i = 0; i < size; ++i) by_address_[address(i)] = name(i);
  for (size_t i = 0; i < size; ++i) start(i);
}

net::SocketAddress SimulatedGroup::address(size_t index) {
  return {net::IpAddress::v4(0xc0000200 + static_cast<uint32_t>(index) + 1), 7946};
}

std::vector<Peer> SimulatedGroup::peers() const {
  std::vector<Peer> peers;
  for (size_t i = 0; i < size_; ++i) peers.push_back({name(i), address(i)});
  return peers;
}

void SimulatedGroup::start(size_t index) {
  Node& node = nodes_[name(index)];
  node.swim = std::make_unique<Swim>(SwimTuning(), Peer{name(index), address(index)}, ++lives_,
                                     simulation_.random(), now());
  ++node.life;
  deliver(name(index), node.swim->set_peers(now(), peers()));
  arm(name(index));
}

void SimulatedGroup::arm(const std::string& name) {
  Node& node = nodes_.at(name);
  if (node.timer != 0) simulation_.cancel(node.timer);
  node.timer = 0;
  const auto next = node.swim->next_timer();
  if (!next) return;
  node.timer = simulation_.call_after(*next - now(), [this, name, life = node.life] {
    Node& again = nodes_.at(name);
    if (!again.swim || again.life != life || frozen_.contains(name)) return;
    again.timer = 0;
    deliver(name, again.swim->on_timer(now()));
    arm(name);
  });
}

void SimulatedGroup::deliver(const std::string& from, std::vector<Send> messages) {
  for (Send& message : messages) {
    ++packets_;
    bytes_ += message.payload.size();
    const auto to = by_address_.find(message.to);
    if (to == by_address_.end() || cut(from, to->second)) continue;
    if (simulation_.random().fraction() < network_.loss) continue;
    const auto spread = static_cast<uint64_t>((network_.max_delay - network_.min_delay).count()) + 1;
    const Duration delay =
        network_.min_delay + Duration(static_cast<int64_t>(simulation_.random().below(spread)));
    simulation_.call_after(delay, [this, from, receiver = to->second, payload = std::move(message.payload)] {
      Node& node = nodes_.at(receiver);
      if (!node.swim || frozen_.contains(receiver) || cut(from, receiver)) return;
      const auto index = static_cast<size_t>(std::stoul(from.substr(1)));
      deliver(receiver, node.swim->on_packet(now(), address(index), payload));
      arm(receiver);
    });
  }
}

void SimulatedGroup::power_off(const std::string& name) { nodes_.at(name).swim.reset(); }

void SimulatedGroup::power_on(const std::string& name) {
  start(static_cast<size_t>(std::stoul(name.substr(1))));
}

void SimulatedGroup::leave(const std::string& name) {
  deliver(name, nodes_.at(name).swim->leave());
  power_off(name);
}

void SimulatedGroup::thaw(const std::string& name) {
  frozen_.erase(name);
  deliver(name, nodes_.at(name).swim->on_timer(now()));
  arm(name);
}

std::set<std::string> SimulatedGroup::running() const {
  std::set<std::string> names;
  for (const auto& [name, node] : nodes_) {
    if (node.swim && !frozen_.contains(name)) names.insert(name);
  }
  return names;
}

MembershipView SimulatedGroup::view_of(const std::string& name) const {
  const Swim& swim = *nodes_.at(name).swim;
  return {name, swim.version(), swim.members()};
}

bool SimulatedGroup::all_see(const std::string& member, MemberState state) const {
  for (const std::string& name : running()) {
    const auto& members = nodes_.at(name).swim->members();
    const auto found = members.find(member);
    if (found == members.end() || found->second.state != state) return false;
  }
  return true;
}

}  // namespace cloudless::gossip
