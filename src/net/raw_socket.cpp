#include "net/raw_socket.hpp"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

// A jumbo frame with its header.
constexpr size_t kFrameBytes = 9216 + 18;
// RFC 4861 section 7.1: a hop limit of 255 proves that a message comes from the link itself.
constexpr int kNeighbourHopLimit = 255;

bool would_block(int error_number) { return error_number == EAGAIN || error_number == EWOULDBLOCK; }

Error unavailable(int error_number, std::string_view doing) {
  Error error = system_error(error_number, doing);
  if (error.code == Code::kInternal) error.code = Code::kUnavailable;
  return error;
}

Result<> attach(int fd, const std::vector<BpfInstruction>& filter) {
  std::vector<sock_filter> program;
  for (const BpfInstruction& step : filter) {
    program.push_back({step.code, step.jump_true, step.jump_false, step.value});
  }
  const sock_fprog native{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &native, sizeof(native)) != 0) {
    return std::unexpected(system_error(errno, "attach a packet filter"));
  }
  return {};
}

int hop_limit(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != IPPROTO_IPV6 || part->cmsg_type != IPV6_HOPLIMIT) continue;
    int limit = 0;
    std::memcpy(&limit, CMSG_DATA(part), sizeof(limit));
    return limit;
  }
  return 0;
}

IpAddress destination(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != IPPROTO_IPV6 || part->cmsg_type != IPV6_PKTINFO) continue;
    in6_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(part), sizeof(info));
    return IpAddress::from_bytes({reinterpret_cast<const char*>(&info.ipi6_addr), 16});
  }
  return IpAddress::any_v6();
}

}  // namespace

std::string format_mac(const MacAddress& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4],
                     mac[5]);
}

Result<MacAddress> parse_mac(std::string_view text) {
  MacAddress mac{};
  const std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() != mac.size()) return fail(Code::kInvalid, "address {}: invalid MAC address", text);
  for (size_t i = 0; i < mac.size(); ++i) {
    const Result<std::string> byte = hex_decode(parts[i]);
    if (!byte || byte->size() != 1) return fail(Code::kInvalid, "address {}: invalid MAC address", text);
    mac[i] = static_cast<uint8_t>(byte->front());
  }
  return mac;
}

PacketSocket::PacketSocket(Descriptor descriptor, uint32_t interface_index)
    : descriptor_(std::move(descriptor)), interface_index_(interface_index) {}

Result<PacketSocket> PacketSocket::open(runtime::EventLoop& loop, uint32_t interface_index,
                                        uint16_t ethertype, const std::vector<BpfInstruction>& filter) {
  // Protocol 0 first: nothing arrives before the filter is in place.
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::unexpected(system_error(errno, "packet socket"));
  Descriptor descriptor(loop, fd);
  if (!filter.empty()) TRY(attach(fd, filter));
  const int on = 1;
  ::setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ethertype);
  address.sll_ifindex = static_cast<int>(interface_index);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return std::unexpected(system_error(errno, "bind a packet socket"));
  }
  return PacketSocket(std::move(descriptor), interface_index);
}

Task<Result<std::string>> PacketSocket::receive() {
  for (;;) {
    if (descriptor_.aborted()) co_return fail(Code::kUnavailable, "the socket was closed on this side");
    static thread_local std::array<char, kFrameBytes> scratch;
    const ssize_t size = ::recv(descriptor_.fd(), scratch.data(), scratch.size(), 0);
    if (size >= 0) co_return std::string(scratch.data(), static_cast<size_t>(size));
    if (would_block(errno)) {
      CO_TRY(co_await descriptor_.readable());
    } else if (errno != EINTR) {
      // ENETDOWN among them: the interface went down or away.
      co_return std::unexpected(unavailable(errno, "receive a frame"));
    }
  }
}

Result<> PacketSocket::send(std::string_view frame) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(interface_index_);
  address.sll_halen = ETH_ALEN;
  std::memcpy(address.sll_addr, frame.data(), std::min<size_t>(frame.size(), ETH_ALEN));
  const ssize_t sent = ::sendto(descriptor_.fd(), frame.data(), frame.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (sent < 0) return std::unexpected(unavailable(errno, "send a frame"));
  return {};
}

IcmpV6Socket::IcmpV6Socket(Descriptor descriptor, uint32_t interface_index)
    : descriptor_(std::move(descriptor)), interface_index_(interface_index) {}

Result<IcmpV6Socket> IcmpV6Socket::open(runtime::EventLoop& loop, uint32_t interface_index,
                                        const std::vector<uint8_t>& types) {
  const int fd = ::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
  if (fd < 0) return std::unexpected(system_error(errno, "ICMPv6 socket"));
  Descriptor descriptor(loop, fd);
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  for (const uint8_t type : types) ICMP6_FILTER_SETPASS(type, &filter);
  ::setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &kNeighbourHopLimit, sizeof(int));
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &kNeighbourHopLimit, sizeof(int));
  const int index = static_cast<int>(interface_index);
  ::setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index));
  return IcmpV6Socket(std::move(descriptor), interface_index);
}

Task<Result<IcmpV6Message>> IcmpV6Socket::receive() {
  for (;;) {
    if (descriptor_.aborted()) co_return fail(Code::kUnavailable, "the socket was closed on this side");
    std::array<char, 2048> buffer;
    alignas(cmsghdr) std::array<char, 256> control;
    sockaddr_storage peer{};
    iovec vector{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = &peer;
    message.msg_namelen = sizeof(peer);
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(descriptor_.fd(), &message, 0);
    if (size < 0 && would_block(errno)) {
      CO_TRY(co_await descriptor_.readable());
      continue;
    }
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) co_return std::unexpected(unavailable(errno, "receive ICMPv6"));
    const uint32_t scope = reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_scope_id;
    if (hop_limit(message) != kNeighbourHopLimit || (scope != 0 && scope != interface_index_)) continue;
    co_return IcmpV6Message{SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&peer)).address,
                            destination(message), std::string(buffer.data(), static_cast<size_t>(size))};
  }
}

Result<> IcmpV6Socket::send(const IcmpV6Message& message) {
  sockaddr_storage peer{};
  const socklen_t length = SocketAddress{message.peer, 0}.to_native(peer);
  reinterpret_cast<sockaddr_in6*>(&peer)->sin6_scope_id = interface_index_;
  iovec vector{const_cast<char*>(message.payload.data()), message.payload.size()};
  msghdr native{};
  native.msg_name = &peer;
  native.msg_namelen = length;
  native.msg_iov = &vector;
  native.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  native.msg_control = control.data();
  native.msg_controllen = control.size();
  in6_pktinfo info{};
  info.ipi6_ifindex = interface_index_;
  if (message.local.is_v6()) std::memcpy(&info.ipi6_addr, message.local.bytes().data(), 16);
  cmsghdr* part = CMSG_FIRSTHDR(&native);
  part->cmsg_level = IPPROTO_IPV6;
  part->cmsg_type = IPV6_PKTINFO;
  part->cmsg_len = CMSG_LEN(sizeof(info));
  std::memcpy(CMSG_DATA(part), &info, sizeof(info));
  if (::sendmsg(descriptor_.fd(), &native, MSG_NOSIGNAL) < 0) {
    return std::unexpected(unavailable(errno, "send ICMPv6"));
  }
  return {};
}

namespace {

Result<> change_group(int fd, const IpAddress& group, uint32_t interface_index, int option) {
  ipv6_mreq request{};
  std::memcpy(&request.ipv6mr_multiaddr, group.bytes().data(), 16);
  request.ipv6mr_interface = interface_index;
  if (::setsockopt(fd, IPPROTO_IPV6, option, &request, sizeof(request)) != 0) {
    return std::unexpected(system_error(errno, "multicast group " + group.to_string()));
  }
  return {};
}

}  // namespace

Result<> IcmpV6Socket::join_group(const IpAddress& group) {
  return change_group(descriptor_.fd(), group, interface_index_, IPV6_JOIN_GROUP);
}

Result<> IcmpV6Socket::leave_group(const IpAddress& group) {
  return change_group(descriptor_.fd(), group, interface_index_, IPV6_LEAVE_GROUP);
}

}  // namespace cloudless::net
