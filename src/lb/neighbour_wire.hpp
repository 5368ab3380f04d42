// The packets by which an address is claimed on a link: ARP (RFC 826, gratuitous: RFC 5227 section 3) and
// IPv6 neighbour discovery (RFC 4861 sections 4.3, 4.4, 7.2.6). Pure.
//
//   ARP frame: | to (6) | from (6) | 0x0806 | 1 | 0x0800 | 6 | 4 | operation (2) |
//              | sender MAC (6) | sender IP (4) | target MAC (6) | target IP (4) |
//   NS, NA:    | type | code | checksum (2) | flags (4) | target (16) | options: type, length / 8, MAC (6) |
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.hpp"
#include "net/raw_socket.hpp"

namespace cloudless::lb {

inline constexpr uint16_t kArpEtherType = 0x0806;
inline constexpr uint8_t kNeighbourSolicitation = 135;

struct ArpRequest {
  net::MacAddress destination{};  // of the frame
  net::MacAddress sender_mac{};
  net::IpAddress sender_ip;
  net::IpAddress target_ip;
};

/// A well-formed request for IPv4 over Ethernet; nothing else.
std::optional<ArpRequest> parse_arp_request(std::string_view frame);
/// "`request.target_ip` is at `mac`", to who asked.
std::string make_arp_reply(const net::MacAddress& mac, const ArpRequest& request);
/// The same to everybody, unasked, in both forms that hosts update their tables from: request and reply.
std::vector<std::string> make_gratuitous_arp(const net::MacAddress& mac, const net::IpAddress& ip);
/// Lets ARP requests through and nothing else, so that replies do not wake the program.
std::vector<net::BpfInstruction> arp_request_filter();

/// The address that a neighbour solicitation asks for.
std::optional<net::IpAddress> parse_neighbour_solicitation(std::string_view payload);
enum class Solicited { kNo, kYes };
/// The payload of an advertisement, checksum left to the kernel.
std::string make_neighbour_advertisement(const net::MacAddress& mac, const net::IpAddress& ip,
                                         Solicited solicited);
/// The multicast group that solicitations for `ip` are sent to (RFC 4291 section 2.7.1).
net::IpAddress solicited_node_group(const net::IpAddress& ip);
/// ff02::1
net::IpAddress all_nodes_group();

}  // namespace cloudless::lb
