#include "dns/upstream.hpp"

#include "base/strings.hpp"
#include "dns/wire.hpp"

namespace cloudless::dns {

std::string upstream_packet(const Query& query, uint16_t id) {
  constexpr uint16_t kRecursionDesired = 0x0100;
  constexpr uint16_t kCheckingDisabled = 0x0010;
  std::string packet;
  append_u16(packet, id);
  append_u16(packet, kRecursionDesired | (query.checking_disabled ? kCheckingDisabled : 0));
  for (const uint16_t count : {1, 0, 0, query.edns ? 1 : 0}) append_u16(packet, count);
  packet += query.name.wire();
  append_u16(packet, query.type);
  append_u16(packet, query.klass);
  if (query.edns) {
    packet += '\0';
    append_u16(packet, static_cast<uint16_t>(Type::kOpt));
    append_u16(packet, kEdnsUdpLimit);
    append_u32(packet, query.edns->dnssec_ok ? 0x8000 : 0);
    append_u16(packet, 0);
  }
  return packet;
}

std::vector<net::SocketAddress> parse_resolv_conf(std::string_view text) {
  constexpr uint16_t kPort = 53;
  std::vector<net::SocketAddress> servers;
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split_words(trim(line));
    if (!words || words->size() < 2 || (*words)[0].text != "nameserver") continue;
    if (const auto address = net::IpAddress::parse((*words)[1].text)) servers.push_back({*address, kPort});
  }
  return servers;
}

}  // namespace cloudless::dns
