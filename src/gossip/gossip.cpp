#include "gossip/gossip.hpp"

#include <deque>
#include <mutex>

#include "net/udp.hpp"
#include "runtime/channel.hpp"
#include "runtime/timer.hpp"

namespace cloudless::gossip {

namespace {

using runtime::Task;

/// Packets taken from the socket at one wake-up.
constexpr size_t kPacketsPerWake = 64;

uint32_t seconds_since_epoch(WallTime time) {
  return static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

}  // namespace

struct Gossip::State {
  State(GossipOptions opts, runtime::EventLoop& event_loop, Random& chance, Logger logger, Gossip& whole)
      : options(std::move(opts)),
        loop(event_loop),
        random(chance),
        log(std::move(logger)),
        owner(whole),
        scope(event_loop, log) {}

  Task<void> receive();
  Task<void> tick();
  void send(std::vector<Send> messages);
  void take_in(const net::Datagram& datagram);
  void take_peers();
  void publish_changes();
  SteadyTime now() const { return loop.clock().steady_now(); }

  const GossipOptions options;
  runtime::EventLoop& loop;
  Random& random;
  Logger log;
  Gossip& owner;
  runtime::TaskScope scope;
  std::optional<net::UdpSocket> socket;
  std::optional<Swim> swim;
  uint64_t published = 0;
  runtime::Executor::TimerId timer = 0;
  runtime::Signal wake;

  std::mutex peers_mutex;
  std::optional<std::vector<Peer>> new_peers;  // guarded by peers_mutex
};

void Gossip::State::send(std::vector<Send> messages) {
  for (const Send& message : messages) {
    // What does not fit into the socket's buffer is lost like any datagram.
    static_cast<void>(socket->try_send({.peer = message.to,
                                        .local = options.advertise_address,
                                        .interface_index = 0,
                                        .payload = seal(options.key, message.payload, random)}));
  }
}

void Gossip::State::publish_changes() {
  if (swim->version() == published) return;
  published = swim->version();
  const auto before = owner.view();
  owner.publish(swim->members());
  for (const auto& [name, member] : swim->members()) {
    const auto old = before->members.find(name);
    if (old != before->members.end() && old->second.state == member.state) continue;
    log.info("a member's state has changed", {{"member", name}, {"state", to_string(member.state)}});
  }
}

void Gossip::State::take_in(const net::Datagram& datagram) {
  const auto payload = open_sealed(options.key, datagram.payload);
  if (!payload) {
    log.debug("a packet was dropped", {{"from", datagram.peer.to_string()}, {"error", payload.error()}});
    return;
  }
  send(swim->on_packet(now(), datagram.peer, *payload));
}

Task<void> Gossip::State::receive() {
  for (;;) {
    const auto datagrams = co_await socket->receive_some(kPacketsPerWake);
    if (!datagrams) co_return;
    for (const net::Datagram& datagram : *datagrams) take_in(datagram);
    publish_changes();
    wake.notify();
  }
}

void Gossip::State::take_peers() {
  std::optional<std::vector<Peer>> peers;
  {
    const std::lock_guard lock(peers_mutex);
    peers.swap(new_peers);
  }
  if (peers) send(swim->set_peers(now(), std::move(*peers)));
}

// One timer for everything that the machine waits for; rearmed only where it has to ring earlier, so that a
// packet does not cost a timer.
Task<void> Gossip::State::tick() {
  SteadyTime armed = SteadyTime::max();
  while (co_await wake.wait()) {
    take_peers();
    if (armed <= now()) armed = SteadyTime::max();
    send(swim->on_timer(now()));
    publish_changes();
    const auto next = swim->next_timer();
    if (!next || *next >= armed) continue;
    if (timer != 0) loop.cancel(timer);
    armed = *next;
    timer = loop.call_after(std::max(Duration(0), armed - now()), [this] { wake.notify(); });
  }
}

Gossip::Gossip(GossipOptions options, runtime::EventLoop& loop, Random& random, Logger log)
    : PublishedMembership(options.node_name),
      state_(std::make_unique<State>(std::move(options), loop, random, std::move(log), *this)) {}

Gossip::~Gossip() = default;

Task<Result<>> Gossip::start() {
  const GossipOptions& options = state_->options;
  if (options.key.size() != kKeySize)
    co_return fail(Code::kInvalid, "the gossip key has {} bytes instead of {}", options.key.size(), kKeySize);
  if (options.advertise_address.is_unspecified())
    co_return fail(Code::kInvalid, "gossip needs the node's address, not {}",
                   options.advertise_address.to_string());
  auto socket = net::UdpSocket::bind(state_->loop, {options.advertise_address, options.port});
  if (!socket) co_return wrap(socket.error(), "gossip on port {}", options.port);
  state_->socket.emplace(std::move(*socket));
  state_->swim.emplace(options.tuning,
                       Peer{options.node_name, {options.advertise_address, state_->socket->address().port}},
                       seconds_since_epoch(state_->loop.clock().wall_now()), state_->random, state_->now());
  state_->publish_changes();
  state_->scope.spawn(state_->receive());
  state_->scope.spawn(state_->tick());
  state_->wake.notify();
  co_return Result<>();
}

Task<void> Gossip::stop() {
  if (state_->swim) state_->send(state_->swim->leave());
  state_->scope.cancel();
  co_await state_->scope.join();
  if (state_->timer != 0) state_->loop.cancel(std::exchange(state_->timer, 0));
}

void Gossip::set_peers(std::vector<Peer> peers) {
  {
    const std::lock_guard lock(state_->peers_mutex);
    state_->new_peers = std::move(peers);
  }
  state_->wake.notify();
}

uint16_t Gossip::port() const { return state_->socket ? state_->socket->address().port : uint16_t{0}; }

}  // namespace cloudless::gossip
