#include "net/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>

namespace cloudless::net {

namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Result<uint16_t> parse_port(std::string_view text, std::string_view whole) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return fail(Code::kInvalid, "address {}: invalid port", whole);
  }
  return port;
}

bool same_bits(std::string_view a, std::string_view b, int bits) {
  const size_t whole = static_cast<size_t>(bits / 8);
  if (a.substr(0, whole) != b.substr(0, whole)) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - bits % 8));
  return (static_cast<uint8_t>(a[whole]) & mask) == (static_cast<uint8_t>(b[whole]) & mask);
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  std::array<char, 16> bytes{};
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return from_bytes(std::string_view(bytes.data(), 4));
  }
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) != 1) {
    return fail(Code::kInvalid, "invalid IP address \"{}\"", text);
  }
  if (std::memcmp(bytes.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0) {
    return from_bytes(std::string_view(bytes.data() + 12, 4));
  }
  return from_bytes(std::string_view(bytes.data(), 16));
}

IpAddress IpAddress::from_bytes(std::string_view bytes) {
  assert(bytes.size() == 4 || bytes.size() == 16);
  IpAddress address;
  address.is_v6_ = bytes.size() == 16;
  std::memcpy(address.bytes_.data(), bytes.data(), bytes.size());
  return address;
}

IpAddress IpAddress::v4(uint32_t host_order) {
  const uint32_t network_order = htonl(host_order);
  return from_bytes(std::string_view(reinterpret_cast<const char*>(&network_order), 4));
}

IpAddress IpAddress::any_v6() {
  IpAddress address;
  address.is_v6_ = true;
  return address;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_multicast() const { return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }

uint32_t IpAddress::v4_host_order() const {
  uint32_t network_order = 0;
  std::memcpy(&network_order, bytes_.data(), 4);
  return ntohl(network_order);
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v6_ ? AF_INET6 : AF_INET, bytes_.data(), text.data(), text.size());
  return text.data();
}

IpAddress IpAddress::plus(uint64_t offset) const {
  IpAddress sum = *this;
  for (int i = bits() / 8 - 1; i >= 0 && offset > 0; --i) {
    const uint64_t digit = sum.bytes_[static_cast<size_t>(i)] + (offset & 0xff);
    sum.bytes_[static_cast<size_t>(i)] = static_cast<uint8_t>(digit);
    offset = (offset >> 8) + (digit >> 8);
  }
  return sum;
}

Result<Prefix> Prefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const IpAddress address = TRY(IpAddress::parse(text.substr(0, slash)));
  if (slash == std::string_view::npos) return Prefix{address, address.bits()};
  const std::string_view digits = text.substr(slash + 1);
  int length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc() || end != digits.data() + digits.size() || length < 0 || length > address.bits()) {
    return fail(Code::kInvalid, "invalid CIDR address: {}", text);
  }
  return Prefix{address, length};
}

bool Prefix::contains(const IpAddress& other) const {
  return address.is_v6() == other.is_v6() && same_bits(address.bytes(), other.bytes(), length);
}

bool Prefix::overlaps(const Prefix& other) const {
  return address.is_v6() == other.address.is_v6() &&
         same_bits(address.bytes(), other.address.bytes(), std::min(length, other.length));
}

Prefix Prefix::masked() const {
  std::string bytes(address.bytes());
  for (int i = 0; i < address.bits() / 8; ++i) {
    const int kept = std::clamp(length - i * 8, 0, 8);
    bytes[static_cast<size_t>(i)] &= static_cast<char>(0xff << (8 - kept));
  }
  return {IpAddress::from_bytes(bytes), length};
}

std::string Prefix::to_string() const { return fmt::format("{}/{}", address.to_string(), length); }

Result<SocketAddress> SocketAddress::parse(std::string_view text) {
  const auto [host, port] = TRY(split_host_port(text));
  return SocketAddress{TRY(IpAddress::parse(host)), port};
}

SocketAddress SocketAddress::from_native(const sockaddr* native) {
  if (native->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(native);
    return {IpAddress::v4(ntohl(v4->sin_addr.s_addr)), ntohs(v4->sin_port)};
  }
  if (native->sa_family != AF_INET6) return {};
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(native);
  const auto* bytes = reinterpret_cast<const char*>(v6->sin6_addr.s6_addr);
  const bool mapped = std::memcmp(bytes, kMappedPrefix.data(), kMappedPrefix.size()) == 0;
  return {IpAddress::from_bytes(mapped ? std::string_view(bytes + 12, 4) : std::string_view(bytes, 16)),
          ntohs(v6->sin6_port)};
}

uint32_t SocketAddress::to_native(sockaddr_storage& native) const {
  native = {};
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&native);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address.bytes().data(), 4);
    return sizeof(sockaddr_in);
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&native);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  std::memcpy(&v6->sin6_addr, address.bytes().data(), 16);
  return sizeof(sockaddr_in6);
}

std::string SocketAddress::to_string() const { return join_host_port(address.to_string(), port); }

Result<std::pair<std::string, uint16_t>> split_host_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return fail(Code::kInvalid, "address {}: missing port in address", text);
  const uint16_t port = TRY(parse_port(text.substr(colon + 1), text));
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.contains(':')) {
    return fail(Code::kInvalid, "address {}: too many colons in address", text);
  }
  return std::pair(std::string(host), port);
}

std::string join_host_port(std::string_view host, uint16_t port) {
  return host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace cloudless::net
