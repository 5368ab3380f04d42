#include "dns/server.hpp"

#include <pthread.h>

#include <algorithm>
#include <thread>

#include "dns/tcp_frame.hpp"
#include "net/blocking_udp.hpp"
#include "runtime/timer.hpp"

namespace cloudless::dns {

using runtime::Task;

namespace {

// Datagrams taken off a socket in one go: enough to spare wake-ups under load, few enough to keep latency
// even.
constexpr size_t kUdpBatch = 64;

// Questions that wait for the loop to forward them; more are answered SERVFAIL.
constexpr size_t kMaxForwards = 1000;

// A port that the kernel chooses for UDP may be another's for TCP: then it chooses again, so often.
constexpr int kPortTries = 20;

// What a client says it takes, within RFC 6891's floor and our own ceiling.
size_t udp_limit(const Query& query) {
  if (!query.edns) return kPlainUdpLimit;
  return std::clamp<size_t>(query.edns->udp_limit, kPlainUdpLimit, kEdnsUdpLimit);
}

std::string server_failure(const Query& query) {
  return ResponseWriter(query, kPlainUdpLimit).finish(Rcode::kServFail, {.recursion_available = true});
}

}  // namespace

struct Server::Listener {
  Listener(net::BlockingUdpSocket udp_socket, net::TcpListener tcp_listener)
      : udp(std::move(udp_socket)), tcp(std::move(tcp_listener)) {}
  ~Listener() { stop_udp(); }

  void stop_udp() {
    if (!udp_thread.joinable()) return;
    udp.shut_down();
    udp_thread.join();
  }

  net::BlockingUdpSocket udp;
  net::TcpListener tcp;
  std::thread udp_thread;
};

Server::Server(runtime::EventLoop& loop, ServerOptions options, Forwarder* forwarder,
               metrics::Registry& registry, Logger log)
    : loop_(loop),
      options_(std::move(options)),
      forwarder_(forwarder),
      log_(log),
      queries_udp_(registry.counter("dns_queries_total", "DNS queries received.", {"carrier"}).with({"udp"})),
      queries_tcp_(registry.counter("dns_queries_total", "DNS queries received.", {"carrier"}).with({"tcp"})),
      dropped_(
          registry.counter("dns_responses_dropped_total", "Responses that the socket did not take.").with()),
      forwards_(kMaxForwards),
      scope_(loop, log) {}

Server::~Server() = default;

Result<std::unique_ptr<Server::Listener>> Server::listen(const net::SocketAddress& wanted) {
  for (int tries = 1;; ++tries) {
    auto udp = net::BlockingUdpSocket::bind(wanted, {.free_bind = options_.free_bind});
    if (!udp) return wrap(udp.error(), "DNS on {} over UDP", wanted.to_string());
    // TCP takes the port that UDP got.
    auto tcp = net::TcpListener::listen(loop_, udp->address(), {.free_bind = options_.free_bind});
    if (tcp) return std::make_unique<Listener>(std::move(*udp), std::move(*tcp));
    if (wanted.port != 0 || tries == kPortTries) {
      return wrap(tcp.error(), "DNS on {} over TCP", udp->address().to_string());
    }
  }
}

Result<> Server::start() {
  for (const net::SocketAddress& wanted : options_.listen) listeners_.push_back(TRY(listen(wanted)));
  for (const auto& listener : listeners_) {
    listener->udp_thread = std::thread([this, &listener = *listener] { serve_udp(listener); });
    pthread_setname_np(listener->udp_thread.native_handle(), "dns-udp");
    scope_.spawn(serve_tcp(listener->tcp));
  }
  scope_.spawn(hand_out_forwards());
  return {};
}

Task<void> Server::stop() {
  for (const auto& listener : listeners_) listener->stop_udp();
  scope_.cancel();
  co_await scope_.join();
  listeners_.clear();
}

void Server::set_zones(std::shared_ptr<const Zones> zones) { zones_.set(std::move(zones)); }

std::vector<net::SocketAddress> Server::addresses() const {
  std::vector<net::SocketAddress> addresses;
  for (const auto& listener : listeners_) addresses.push_back(listener->udp.address());
  return addresses;
}

bool Server::is_of_cluster(const net::IpAddress& client) const {
  return client.is_loopback() ||
         std::ranges::any_of(options_.cluster_clients,
                             [&client](const net::Prefix& prefix) { return prefix.contains(client); });
}

std::optional<Query> Server::judge(const Zones& all, std::string_view packet, const net::IpAddress& client,
                                   Carrier carrier, std::string& response) const {
  response.clear();
  auto query = read_query(packet);
  if (!query) {
    if (query.error().answer_with) response = error_response(packet, *query.error().answer_with);
    return std::nullopt;
  }
  const bool of_cluster = is_of_cluster(client);
  const ZoneSet& zones = of_cluster ? all.for_cluster : all.for_anybody;
  if (of_cluster && forwarder_ && query->recursion_desired && !zones.find(CanonicalName(query->name))) {
    return std::move(*query);
  }
  const size_t limit = carrier == Carrier::kTcp ? kMaxMessageBytes : udp_limit(*query);
  response = answer(zones, *query, limit, std::move(response));
  return std::nullopt;
}

void Server::serve_udp(Listener& listener) {
  net::UdpBatch batch(kUdpBatch, kEdnsUdpLimit);
  Snapshot<Zones>::Reader zones(zones_);
  while (listener.udp.receive(batch)) {
    queries_udp_.add(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      auto query = judge(zones.get(), batch.payload(i), batch.peer(i), Carrier::kUdp, batch.reply(i));
      if (!query) continue;
      Forward forward{listener, batch.envelope(i), *query};
      if (!forwards_.try_send(std::move(forward))) batch.reply(i) = server_failure(*query);
    }
    dropped_.add(listener.udp.send_replies(batch));
  }
}

Task<void> Server::hand_out_forwards() {
  for (;;) {
    auto forward = co_await forwards_.receive();
    if (!forward || !*forward) co_return;
    scope_.spawn(forward_udp(std::move(**forward)));
  }
}

Task<void> Server::forward_udp(Forward forward) {
  auto packet = co_await forwarder_->resolve(forward.query, Carrier::kUdp);
  forward.envelope.payload = packet ? std::move(*packet) : server_failure(forward.query);
  if (!forward.listener.udp.try_send(forward.envelope)) dropped_.add();
}

Task<void> Server::serve_tcp(net::TcpListener& listener) {
  // Pause after the process has run out of descriptors, so that accepting does not spin.
  constexpr Duration kAcceptRetry = std::chrono::milliseconds(100);
  for (;;) {
    auto stream = co_await listener.accept();
    if (!stream && stream.error().code != Code::kResourceExhausted) co_return;
    if (!stream) {
      if (!co_await runtime::sleep_for(kAcceptRetry)) co_return;
    } else if (tcp_connections_ < options_.max_tcp_connections) {
      ++tcp_connections_;
      scope_.spawn(serve_connection(std::move(*stream)));
    }
  }
}

Task<void> Server::serve_connection(std::unique_ptr<net::Stream> stream) {
  for (;;) {
    auto served =
        co_await runtime::with_timeout(options_.tcp_idle_limit, "a query over TCP", exchange(*stream));
    if (!served) break;
  }
  --tcp_connections_;
}

Task<Result<>> Server::exchange(net::Stream& stream) {
  const std::string packet = CO_TRY(co_await read_frame(stream));
  queries_tcp_.add();
  std::string response;
  if (const auto query =
          judge(zones_of_loop_.get(), packet, stream.peer().address, Carrier::kTcp, response)) {
    auto forwarded = co_await forwarder_->resolve(*query, Carrier::kTcp);
    response = forwarded ? std::move(*forwarded) : server_failure(*query);
  }
  if (response.empty()) co_return fail(Code::kInvalid, "not a query");
  co_return co_await write_frame(stream, response);
}

}  // namespace cloudless::dns
