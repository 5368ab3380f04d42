// What the UDP sockets share: opening and sending, and the ancillary data of a datagram, which is the address
// that it was sent to, or is to leave from (IP_PKTINFO, IPV6_PKTINFO). For net/*udp*.cpp alone.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "net/udp.hpp"

namespace cloudless::net {

struct BoundUdp {
  int fd;                 // blocking; the caller's to close
  SocketAddress address;  // with the port that the kernel chose
};
Result<BoundUdp> open_udp(const SocketAddress& address, const UdpOptions& options);

/// At once. 0, or errno.
int send_datagram(int fd, const Datagram& datagram);

// As the kernel wants it aligned, with room for either.
struct UdpControl {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> bytes{};
};

inline void read_control(const msghdr& message, Datagram& datagram) {
  auto& head = const_cast<msghdr&>(message);
  for (cmsghdr* part = CMSG_FIRSTHDR(&head); part; part = CMSG_NXTHDR(&head, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof(info));
      datagram.local = IpAddress::v4(ntohl(info.ipi_addr.s_addr));
      datagram.interface_index = static_cast<uint32_t>(info.ipi_ifindex);
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof(info));
      datagram.local = IpAddress::from_bytes({reinterpret_cast<const char*>(&info.ipi6_addr), 16});
      datagram.interface_index = info.ipi6_ifindex;
    }
  }
}

template <class Info>
void put_control(msghdr& message, UdpControl& control, int level, int type, const Info& info) {
  message.msg_control = control.bytes.data();
  message.msg_controllen = CMSG_SPACE(sizeof(info));
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = level;
  part->cmsg_type = type;
  part->cmsg_len = CMSG_LEN(sizeof(info));
  std::memcpy(CMSG_DATA(part), &info, sizeof(info));
}

inline void write_control(msghdr& message, UdpControl& control, const Datagram& datagram) {
  if (datagram.local.is_unspecified() && datagram.interface_index == 0) return;
  if (datagram.peer.address.is_v4()) {
    in_pktinfo info{};
    info.ipi_ifindex = static_cast<int>(datagram.interface_index);
    info.ipi_spec_dst.s_addr = datagram.local.is_v4() ? htonl(datagram.local.v4_host_order()) : 0;
    put_control(message, control, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    info.ipi6_ifindex = datagram.interface_index;
    if (datagram.local.is_v6()) std::memcpy(&info.ipi6_addr, datagram.local.bytes().data(), 16);
    put_control(message, control, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

}  // namespace cloudless::net
