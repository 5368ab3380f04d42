#include "dns/server.hpp"

#include <algorithm>

#include "dns/tcp_frame.hpp"
#include "runtime/timer.hpp"

namespace cloudless::dns {

using runtime::Task;

namespace {

// Datagrams taken off a socket in one go: enough to spare wake-ups under load, few enough to keep latency
// even.
constexpr size_t kUdpBatch = 64;

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
  net::UdpSocket udp;
  net::TcpListener tcp;
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
      batch_(kUdpBatch, kEdnsUdpLimit),
      scope_(loop, log) {}

Server::~Server() = default;

Result<> Server::start() {
  for (const net::SocketAddress& wanted : options_.listen) {
    auto udp = net::UdpSocket::bind(loop_, wanted, {.free_bind = options_.free_bind});
    if (!udp) return wrap(udp.error(), "DNS on {} over UDP", wanted.to_string());
    // TCP takes the port that UDP got.
    auto tcp = net::TcpListener::listen(loop_, udp->address(), {.free_bind = options_.free_bind});
    if (!tcp) return wrap(tcp.error(), "DNS on {} over TCP", udp->address().to_string());
    listeners_.push_back(std::make_unique<Listener>(std::move(*udp), std::move(*tcp)));
  }
  for (const auto& listener : listeners_) {
    scope_.spawn(serve_udp(listener->udp));
    scope_.spawn(serve_tcp(listener->tcp));
  }
  return {};
}

Task<void> Server::stop() {
  scope_.cancel();
  co_await scope_.join();
  listeners_.clear();
}

void Server::set_zones(std::shared_ptr<const Zones> zones) { zones_ = std::move(zones); }

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

std::optional<Query> Server::judge(std::string_view packet, const net::IpAddress& client, Carrier carrier,
                                   std::string& response) {
  response.clear();
  auto query = read_query(packet);
  if (!query) {
    if (query.error().answer_with) response = error_response(packet, *query.error().answer_with);
    return std::nullopt;
  }
  const bool of_cluster = is_of_cluster(client);
  const ZoneSet& zones = of_cluster ? zones_->for_cluster : zones_->for_anybody;
  if (of_cluster && forwarder_ && query->recursion_desired && !zones.find(CanonicalName(query->name))) {
    return std::move(*query);
  }
  const size_t limit = carrier == Carrier::kTcp ? kMaxMessageBytes : udp_limit(*query);
  response = answer(zones, *query, limit, std::move(response));
  return std::nullopt;
}

// Nothing suspends between receive() and send_replies(), so the batch serves all listeners.
Task<void> Server::serve_udp(net::UdpSocket& socket) {
  while (co_await socket.receive(batch_)) {
    queries_udp_.add(batch_.size());
    for (size_t i = 0; i < batch_.size(); ++i) {
      auto forward = judge(batch_.payload(i), batch_.peer(i), Carrier::kUdp, batch_.reply(i));
      if (forward) scope_.spawn(forward_udp(socket, batch_.envelope(i), std::move(*forward)));
    }
    dropped_.add(socket.send_replies(batch_));
  }
}

Task<void> Server::forward_udp(net::UdpSocket& socket, net::Datagram datagram, Query query) {
  auto packet = co_await forwarder_->resolve(query, Carrier::kUdp);
  datagram.payload = packet ? std::move(*packet) : server_failure(query);
  if (!socket.try_send(datagram)) dropped_.add();
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
  if (const auto query = judge(packet, stream.peer().address, Carrier::kTcp, response)) {
    auto forwarded = co_await forwarder_->resolve(*query, Carrier::kTcp);
    response = forwarded ? std::move(*forwarded) : server_failure(*query);
  }
  if (response.empty()) co_return fail(Code::kInvalid, "not a query");
  co_return co_await write_frame(stream, response);
}

}  // namespace cloudless::dns
