// IpAddress, Prefix, SocketAddress: IPv4 and IPv6 as values that sort, hash by text and print canonically
// (RFC 5952). An IPv4-mapped IPv6 address is turned into its IPv4 form when parsed.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct sockaddr;
struct sockaddr_storage;

namespace cloudless::net {

class IpAddress {
 public:
  /// 0.0.0.0
  IpAddress() = default;
  /// "192.0.2.1", "2001:db8::1"; no zone, no brackets, no leading zeros. kInvalid otherwise.
  static Result<IpAddress> parse(std::string_view text);
  /// 4 or 16 bytes in network order; anything else is a bug.
  static IpAddress from_bytes(std::string_view bytes);
  static IpAddress v4(uint32_t host_order);
  static IpAddress any_v4() { return IpAddress(); }
  static IpAddress any_v6();

  bool is_v4() const { return !is_v6_; }
  bool is_v6() const { return is_v6_; }
  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_multicast() const;
  /// 32 or 128.
  int bits() const { return is_v6_ ? 128 : 32; }
  /// 4 or 16 bytes in network order; valid while the address lives.
  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), is_v6_ ? size_t{16} : size_t{4}};
  }
  uint32_t v4_host_order() const;
  std::string to_string() const;
  /// The address `offset` further on; wraps at the end of the family.
  IpAddress plus(uint64_t offset) const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  bool is_v6_ = false;  // first, so that all IPv4 sorts before IPv6
  std::array<uint8_t, 16> bytes_{};
};

/// An address and how many of its first bits count. The address may have host bits.
struct Prefix {
  IpAddress address;
  int length = 32;

  /// "10.244.0.0/16"; an address alone is a prefix of full length.
  static Result<Prefix> parse(std::string_view text);
  bool contains(const IpAddress& other) const;
  bool overlaps(const Prefix& other) const;
  /// The same with all host bits zero.
  Prefix masked() const;
  std::string to_string() const;

  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

struct SocketAddress {
  IpAddress address;
  uint16_t port = 0;

  /// "192.0.2.1:53", "[2001:db8::1]:53".
  static Result<SocketAddress> parse(std::string_view text);
  /// Of AF_INET and AF_INET6; 0.0.0.0:0 for other families.
  static SocketAddress from_native(const sockaddr* native);
  /// Fills `native`; the length that goes with it.
  uint32_t to_native(sockaddr_storage& native) const;
  std::string to_string() const;

  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

/// "host:port" and "[v6]:port" taken apart; kInvalid without a port.
Result<std::pair<std::string, uint16_t>> split_host_port(std::string_view text);
/// With brackets around what holds a colon.
std::string join_host_port(std::string_view host, uint16_t port);

}  // namespace cloudless::net
