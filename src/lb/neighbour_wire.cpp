#include "lb/neighbour_wire.hpp"

#include <algorithm>

namespace cloudless::lb {

namespace {

constexpr size_t kArpSize = 42;
constexpr size_t kSolicitationSize = 24;
constexpr uint8_t kNeighbourAdvertisement = 136;
constexpr uint8_t kTargetLinkLayerOption = 2;
constexpr net::MacAddress kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
/// Hardware type Ethernet, protocol type IPv4, and the sizes of their addresses.
constexpr std::string_view kEthernetIpv4("\x00\x01\x08\x00\x06\x04", 6);
constexpr uint16_t kRequest = 1;
constexpr uint16_t kReply = 2;

std::string_view text(const net::MacAddress& mac) {
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

net::MacAddress mac_at(std::string_view frame, size_t offset) {
  net::MacAddress mac{};
  std::ranges::copy(frame.substr(offset, mac.size()), mac.begin());
  return mac;
}

uint16_t number_at(std::string_view frame, size_t offset) {
  return static_cast<uint16_t>(static_cast<uint8_t>(frame[offset]) << 8 |
                               static_cast<uint8_t>(frame[offset + 1]));
}

void put_number(std::string& out, uint16_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value & 0xff);
}

std::string make_arp(const net::MacAddress& to, const net::MacAddress& from, uint16_t operation,
                     const net::IpAddress& sender_ip, const net::MacAddress& target_mac,
                     const net::IpAddress& target_ip) {
  std::string frame;
  frame += text(to);
  frame += text(from);
  put_number(frame, kArpEtherType);
  frame += kEthernetIpv4;
  put_number(frame, operation);
  frame += text(from);
  frame += sender_ip.bytes();
  frame += text(target_mac);
  frame += target_ip.bytes();
  return frame;
}

}  // namespace

std::optional<ArpRequest> parse_arp_request(std::string_view frame) {
  if (frame.size() < kArpSize || number_at(frame, 12) != kArpEtherType ||
      frame.substr(14, kEthernetIpv4.size()) != kEthernetIpv4 || number_at(frame, 20) != kRequest)
    return std::nullopt;
  return ArpRequest{mac_at(frame, 0), mac_at(frame, 22), net::IpAddress::from_bytes(frame.substr(28, 4)),
                    net::IpAddress::from_bytes(frame.substr(38, 4))};
}

std::string make_arp_reply(const net::MacAddress& mac, const ArpRequest& request) {
  return make_arp(request.sender_mac, mac, kReply, request.target_ip, request.sender_mac, request.sender_ip);
}

std::vector<std::string> make_gratuitous_arp(const net::MacAddress& mac, const net::IpAddress& ip) {
  return {make_arp(kBroadcast, mac, kRequest, ip, kBroadcast, ip),
          make_arp(kBroadcast, mac, kReply, ip, kBroadcast, ip)};
}

std::vector<net::BpfInstruction> arp_request_filter() {
  constexpr uint16_t kLoadHalf = 0x28, kJumpEqual = 0x15, kReturn = 0x06;  // linux/bpf_common.h
  constexpr uint32_t kWholeFrame = 0xffff;
  return {
      {kLoadHalf, 0, 0, 20}, {kJumpEqual, 0, 1, kRequest}, {kReturn, 0, 0, kWholeFrame}, {kReturn, 0, 0, 0}};
}

std::optional<net::IpAddress> parse_neighbour_solicitation(std::string_view payload) {
  if (payload.size() < kSolicitationSize || static_cast<uint8_t>(payload[0]) != kNeighbourSolicitation ||
      payload[1] != 0)
    return std::nullopt;
  return net::IpAddress::from_bytes(payload.substr(8, 16));
}

std::string make_neighbour_advertisement(const net::MacAddress& mac, const net::IpAddress& ip,
                                         Solicited solicited) {
  constexpr uint8_t kSolicitedFlag = 0x40, kOverrideFlag = 0x20;
  std::string payload;
  payload += static_cast<char>(kNeighbourAdvertisement);
  payload += std::string(3, '\0');  // code and checksum
  payload += static_cast<char>(kOverrideFlag | (solicited == Solicited::kYes ? kSolicitedFlag : 0));
  payload += std::string(3, '\0');
  payload += ip.bytes();
  payload += static_cast<char>(kTargetLinkLayerOption);
  payload += '\x01';  // in units of eight bytes
  payload += text(mac);
  return payload;
}

net::IpAddress solicited_node_group(const net::IpAddress& ip) {
  std::string bytes("\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff", 13);
  bytes += ip.bytes().substr(13, 3);
  return net::IpAddress::from_bytes(bytes);
}

net::IpAddress all_nodes_group() {
  return net::IpAddress::from_bytes(std::string_view("\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16));
}

}  // namespace cloudless::lb
