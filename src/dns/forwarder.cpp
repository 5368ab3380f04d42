#include "dns/forwarder.hpp"

#include "dns/tcp_frame.hpp"
#include "dns/wire.hpp"
#include "net/tcp.hpp"
#include "net/udp.hpp"
#include "runtime/timer.hpp"

namespace cloudless::dns {

using runtime::Task;

Forwarder::Forwarder(runtime::EventLoop& loop, ForwarderOptions options, Random& random, Logger log)
    : loop_(loop), options_(std::move(options)), random_(random), log_(std::move(log)) {}

Task<Result<std::string>> Forwarder::resolve(Query query, Carrier carrier) {
  if (auto cached = cache_.find(query, loop_.clock().steady_now())) co_return std::move(*cached);
  if (inflight_ >= options_.max_inflight) {
    co_return fail(Code::kResourceExhausted, "{} questions are under way", inflight_);
  }
  ++inflight_;
  auto packet = co_await ask_upstreams(query, carrier);
  --inflight_;
  co_return packet;
}

Task<Result<std::string>> Forwarder::ask_upstreams(const Query& query, Carrier carrier) {
  const size_t attempts = options_.upstreams.size() * static_cast<size_t>(options_.rounds);
  Error last{Code::kUnavailable, "no upstream resolver is configured"};
  for (size_t attempt = 0; attempt < attempts; ++attempt) {
    const size_t at = (preferred_ + attempt) % options_.upstreams.size();
    std::string sent = upstream_packet(query, static_cast<uint16_t>(random_.next()));
    auto packet = co_await runtime::with_timeout(
        options_.attempt_limit, "upstream " + options_.upstreams[at].to_string(),
        ask(options_.upstreams[at], std::move(sent), question_of(query), carrier));
    if (packet) {
      preferred_ = at;
      put_u16(*packet, 0, query.id);
      cache_.insert(query, *packet, CO_TRY(scan_response(*packet)), loop_.clock().steady_now());
      co_return packet;
    }
    if (packet.error().code == Code::kCancelled) co_return packet;
    last = packet.error();
  }
  log_.debug("no upstream answered", {{"name", query.name.to_text()}, {"error", last}});
  co_return std::unexpected(last);
}

Task<Result<std::string>> Forwarder::ask(net::SocketAddress upstream, std::string packet,
                                         std::string question, Carrier carrier) {
  if (carrier == Carrier::kTcp) {
    const auto stream = CO_TRY(co_await net::connect_tcp(upstream));
    CO_TRY(co_await write_frame(*stream, packet));
    std::string answer = CO_TRY(co_await read_frame(*stream));
    const ResponseScan scan = CO_TRY(scan_response(answer));
    if (scan.id != read_u16(packet, 0) || scan.question != question) {
      co_return fail(Code::kUnavailable, "upstream {} answered another question", upstream.to_string());
    }
    co_return answer;
  }
  const net::SocketAddress any{upstream.address.is_v6() ? net::IpAddress::any_v6() : net::IpAddress::any_v4(),
                               0};
  net::UdpSocket socket = CO_TRY(net::UdpSocket::bind(loop_, any));
  CO_TRY(co_await socket.send({.peer = upstream, .payload = packet}));
  for (;;) {
    net::Datagram datagram = CO_TRY(co_await socket.receive());
    if (datagram.peer != upstream) continue;
    const auto scan = scan_response(datagram.payload);
    // What does not match may be forged: the real answer may still come.
    if (scan && scan->id == read_u16(packet, 0) && scan->question == question)
      co_return std::move(datagram.payload);
  }
}

}  // namespace cloudless::dns
