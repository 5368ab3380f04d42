// PacketSocket: whole Ethernet frames of one interface and ethertype (AF_PACKET), behind a BPF filter, for
// ARP. IcmpV6Socket: ICMPv6 messages, for neighbour discovery. Both need CAP_NET_RAW.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "net/descriptor.hpp"

namespace cloudless::net {

using MacAddress = std::array<uint8_t, 6>;
/// "02:42:ac:11:00:02".
std::string format_mac(const MacAddress& mac);
Result<MacAddress> parse_mac(std::string_view text);

/// One classic BPF instruction (linux/filter.h sock_filter).
struct BpfInstruction {
  uint16_t code = 0;
  uint8_t jump_true = 0;
  uint8_t jump_false = 0;
  uint32_t value = 0;
};

class PacketSocket {
 public:
  /// `ethertype` in host order, 0x0806 for ARP. Frames that `filter` returns 0 for never wake the program;
  /// empty: all pass.
  static Result<PacketSocket> open(runtime::EventLoop& loop, uint32_t interface_index, uint16_t ethertype,
                                   const std::vector<BpfInstruction>& filter = {});

  /// The next frame, Ethernet header included; not those that this host sends.
  runtime::Task<Result<std::string>> receive();
  /// Sends a frame, Ethernet header included.
  Result<> send(std::string_view frame);
  void abort() { descriptor_.abort(); }

 private:
  PacketSocket(Descriptor descriptor, uint32_t interface_index);
  Descriptor descriptor_;
  uint32_t interface_index_;
};

struct IcmpV6Message {
  IpAddress peer;
  /// On receipt: what it was sent to. On sending: the source address; unspecified: the kernel's choice.
  IpAddress local;
  /// Type, code, checksum (filled by the kernel) and body.
  std::string payload;
};

class IcmpV6Socket {
 public:
  /// Receives the given ICMPv6 types alone; hop limit 255 both ways, as RFC 4861 wants.
  static Result<IcmpV6Socket> open(runtime::EventLoop& loop, uint32_t interface_index,
                                   const std::vector<uint8_t>& types);

  runtime::Task<Result<IcmpV6Message>> receive();
  Result<> send(const IcmpV6Message& message);
  Result<> join_group(const IpAddress& group);
  Result<> leave_group(const IpAddress& group);
  void abort() { descriptor_.abort(); }

 private:
  IcmpV6Socket(Descriptor descriptor, uint32_t interface_index);
  Descriptor descriptor_;
  uint32_t interface_index_;
};

}  // namespace cloudless::net
