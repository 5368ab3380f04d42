// UdpSocket: datagrams with the address that they came to, so that an answer leaves from the address that was
// asked (IP_PKTINFO, IPV6_RECVPKTINFO). Used on its loop's thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "net/descriptor.hpp"

namespace cloudless::net {

struct Datagram {
  SocketAddress peer;
  /// On receipt: the address it was sent to. On sending: the source address; unspecified: the kernel's
  /// choice.
  IpAddress local;
  /// On receipt: the interface it came by; 0 on a socket that is bound to one address. On sending: 0, or the
  /// interface to leave by.
  uint32_t interface_index = 0;
  std::string payload;
};

struct UdpOptions {
  /// Several sockets share the port, and the kernel spreads clients over them.
  bool reuse_port = false;
  bool free_bind = false;
  /// For an IPv6 socket: takes no IPv4.
  bool v6_only = true;
  int receive_buffer_bytes = 0;  // 0: the system's default
  /// Binds to this interface (SO_BINDTODEVICE); empty: all.
  std::string interface;
};

class UdpSocket {
 public:
  static Result<UdpSocket> bind(runtime::EventLoop& loop, const SocketAddress& address,
                                const UdpOptions& options = {});

  /// With the port that the kernel chose.
  const SocketAddress& address() const { return address_; }
  /// The next datagram. Errors that a peer caused (ICMP) are skipped.
  runtime::Task<Result<Datagram>> receive();
  /// What is there now, at most `limit` datagrams, after waiting for one: fewer wakes under load.
  runtime::Task<Result<std::vector<Datagram>>> receive_some(size_t limit);
  /// kUnavailable where it cannot be sent; waits for room in the socket's buffer.
  runtime::Task<Result<>> send(const Datagram& datagram);
  /// At once; false where the buffer is full or the kernel refuses.
  bool try_send(const Datagram& datagram);
  /// Joins or leaves a group on an interface.
  Result<> join_group(const IpAddress& group, uint32_t interface_index);
  Result<> leave_group(const IpAddress& group, uint32_t interface_index);
  void abort() { descriptor_.abort(); }

 private:
  UdpSocket(Descriptor descriptor, SocketAddress address);
  Descriptor descriptor_;
  SocketAddress address_;
};

}  // namespace cloudless::net
