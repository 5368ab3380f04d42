#include "net/udp.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "net/udp_control.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

// The largest datagram that UDP can carry.
constexpr size_t kDatagramBytes = 65'535;

// 0, or errno.
int receive_now(int fd, Datagram& datagram) {
  static thread_local std::array<char, kDatagramBytes> scratch;
  sockaddr_storage peer{};
  UdpControl control;
  iovec vector{scratch.data(), scratch.size()};
  msghdr message{};
  message.msg_name = &peer;
  message.msg_namelen = sizeof(peer);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  const ssize_t size = ::recvmsg(fd, &message, 0);
  if (size < 0) return errno;
  datagram.peer = SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&peer));
  datagram.payload.assign(scratch.data(), static_cast<size_t>(size));
  read_control(message, datagram);
  return 0;
}

bool would_block(int error_number) { return error_number == EAGAIN || error_number == EWOULDBLOCK; }

// What an ICMP answer to an earlier datagram of ours leaves on the socket; it says nothing of the socket
// itself.
bool from_icmp(int error_number) {
  return error_number == ECONNREFUSED || error_number == EHOSTUNREACH || error_number == ENETUNREACH ||
         error_number == EMSGSIZE || error_number == EPROTO || error_number == EINTR;
}

Error unavailable(int error_number, std::string_view doing) {
  Error error = system_error(error_number, doing);
  error.code = Code::kUnavailable;
  return error;
}

void set_options(int fd, const SocketAddress& address, const UdpOptions& options) {
  const int on = 1;
  // A socket with one address needs nobody to tell it which was asked, and is spared the cost.
  const bool any = address.address.is_unspecified();
  if (options.reuse_port) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (options.free_bind) ::setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
  if (options.receive_buffer_bytes > 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes, sizeof(int));
  }
  if (address.address.is_v6()) {
    const int v6_only = options.v6_only ? 1 : 0;
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
    if (any) ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
  } else {
    if (any) ::setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    // Answers are not cached by path MTU: a forged ICMP must not be able to shrink them (RFC 9471's concern).
    const int no_discovery = IP_PMTUDISC_OMIT;
    ::setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &no_discovery, sizeof(no_discovery));
  }
}

// The address with the port that the kernel chose.
Result<SocketAddress> bind_to(int fd, const SocketAddress& address, const UdpOptions& options) {
  set_options(fd, address, options);
  if (!options.interface.empty() && ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.interface.c_str(),
                                                 static_cast<socklen_t>(options.interface.size())) != 0) {
    return std::unexpected(system_error(errno, "bind to interface " + options.interface));
  }
  sockaddr_storage native{};
  socklen_t length = address.to_native(native);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&native), length) != 0) {
    return std::unexpected(system_error(errno, "listen udp " + address.to_string() + ": bind"));
  }
  length = sizeof(native);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&native), &length);
  return SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&native));
}

}  // namespace

int send_datagram(int fd, const Datagram& datagram) {
  sockaddr_storage peer{};
  UdpControl control;
  iovec vector{const_cast<char*>(datagram.payload.data()), datagram.payload.size()};
  msghdr message{};
  message.msg_name = &peer;
  message.msg_namelen = datagram.peer.to_native(peer);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  write_control(message, control, datagram);
  return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

Result<BoundUdp> open_udp(const SocketAddress& address, const UdpOptions& options) {
  const int family = address.address.is_v6() ? AF_INET6 : AF_INET;
  const int fd = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::unexpected(system_error(errno, "socket"));
  auto bound = bind_to(fd, address, options);
  if (!bound) {
    ::close(fd);
    return std::unexpected(bound.error());
  }
  return BoundUdp{fd, *bound};
}

UdpSocket::UdpSocket(Descriptor descriptor, SocketAddress address)
    : descriptor_(std::move(descriptor)), address_(address) {}

Result<UdpSocket> UdpSocket::bind(runtime::EventLoop& loop, const SocketAddress& address,
                                  const UdpOptions& options) {
  const BoundUdp bound = TRY(open_udp(address, options));
  return UdpSocket(Descriptor(loop, bound.fd), bound.address);
}

Task<Result<Datagram>> UdpSocket::receive() {
  std::vector<Datagram> one = CO_TRY(co_await receive_some(1));
  co_return std::move(one.front());
}

Task<Result<std::vector<Datagram>>> UdpSocket::receive_some(size_t limit) {
  std::vector<Datagram> datagrams;
  while (datagrams.size() < limit) {
    if (descriptor_.aborted()) co_return fail(Code::kUnavailable, "the socket was closed on this side");
    Datagram datagram;
    datagram.local = address_.address;
    const int status = receive_now(descriptor_.fd(), datagram);
    if (status == 0) {
      datagrams.push_back(std::move(datagram));
    } else if (would_block(status)) {
      if (!datagrams.empty()) break;
      CO_TRY(co_await descriptor_.readable());
    } else if (!from_icmp(status)) {
      co_return std::unexpected(unavailable(status, "receive"));
    }
  }
  co_return datagrams;
}

Task<Result<>> UdpSocket::send(const Datagram& datagram) {
  for (;;) {
    const int status = send_datagram(descriptor_.fd(), datagram);
    if (status == 0) co_return Result<>();
    if (!would_block(status))
      co_return std::unexpected(unavailable(status, "send to " + datagram.peer.to_string()));
    CO_TRY(co_await descriptor_.writable());
  }
}

bool UdpSocket::try_send(const Datagram& datagram) { return send_datagram(descriptor_.fd(), datagram) == 0; }

namespace {

Result<> change_group(int fd, const IpAddress& group, uint32_t interface_index, int option) {
  group_req request{};
  request.gr_interface = interface_index;
  SocketAddress{group, 0}.to_native(request.gr_group);
  const int level = group.is_v6() ? IPPROTO_IPV6 : IPPROTO_IP;
  if (::setsockopt(fd, level, option, &request, sizeof(request)) != 0) {
    return std::unexpected(system_error(errno, "multicast group " + group.to_string()));
  }
  return {};
}

}  // namespace

Result<> UdpSocket::join_group(const IpAddress& group, uint32_t interface_index) {
  return change_group(descriptor_.fd(), group, interface_index, MCAST_JOIN_GROUP);
}

Result<> UdpSocket::leave_group(const IpAddress& group, uint32_t interface_index) {
  return change_group(descriptor_.fd(), group, interface_index, MCAST_LEAVE_GROUP);
}

}  // namespace cloudless::net
