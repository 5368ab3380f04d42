#include <fmt/format.h>

#include "api/core_v1.hpp"
#include "dns/upstream.hpp"
#include "dns/wire.hpp"
#include "net/udp.hpp"
#include "runtime/timer.hpp"
#include "session.hpp"

namespace cloudless::bench {

using api::core::v1::Service;
using runtime::Task;

namespace {

constexpr int kNames = 20;
constexpr Duration kPollEvery = std::chrono::milliseconds(1);
constexpr Duration kAnswerLimit = std::chrono::milliseconds(500);
constexpr int kMaxPolls = 10'000;

// Asks until there is an answer record.
Task<Result<>> await_answer(Session session, net::SocketAddress server, std::string name) {
  const dns::Query query{.name = CO_TRY(dns::Name::parse(name)),
                         .type = static_cast<uint16_t>(dns::Type::kA)};
  net::UdpSocket socket = CO_TRY(net::UdpSocket::bind(session.loop, {net::IpAddress::any_v4(), 0}));
  for (int poll = 0; poll < kMaxPolls; ++poll) {
    CO_TRY(co_await socket.send({.peer = server,
                                 .local = {},
                                 .interface_index = 0,
                                 .payload = dns::upstream_packet(query, static_cast<uint16_t>(poll))}));
    const auto answer = co_await runtime::with_timeout(kAnswerLimit, "the answer", socket.receive());
    if (answer && answer->payload.size() >= dns::kHeaderBytes && dns::read_u16(answer->payload, 6) > 0) {
      co_return {};
    }
    co_await runtime::sleep_for(kPollEvery);
  }
  co_return fail(Code::kDeadlineExceeded, "{} never got an answer for {}", server.to_string(), name);
}

}  // namespace

Task<Result<>> measure_names(Session session, std::string dns_server, std::string ns, std::string service,
                             std::string domain) {
  const net::SocketAddress server = CO_TRY(net::SocketAddress::parse(dns_server));
  std::vector<double> elapsed;
  for (int i = 0; i < kNames; ++i) {
    const std::string name = fmt::format("name{}.{}", i, domain);
    const SteadyTime begin = session.now();
    CO_TRY(co_await session.client.patch<Service>(
        ns, service, client::PatchType::kMerge,
        fmt::format(R"({{"metadata":{{"annotations":{{"external-dns.kubernetes.io/hostname":"{}"}}}}}})",
                    name)));
    CO_TRY(co_await await_answer(session, server, name));
    elapsed.push_back(session.ms_since(begin));
  }
  fmt::print("{:<40} {:>9.1f} ms (worst {:.1f} ms; aim 50 ms)\n", "annotation to answer, median",
             median(elapsed), *std::ranges::max_element(elapsed));
  co_return {};
}

}  // namespace cloudless::bench
