// UdpBatch: datagrams that a server takes off a socket in one system call (recvmmsg), answers one by one and
// sends in another (sendmmsg): at a high rate, entering the kernel costs more than an answer.
//
//     socket.receive(batch)  ->  payload(i), peer(i)  ->  reply(i) = ...  ->  socket.send_replies(batch)
//
// Its buffers are made once and used again, those of the replies too.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/udp.hpp"

namespace cloudless::net {

class UdpBatch {
 public:
  /// At most `capacity` datagrams at once, of `datagram_bytes` each; what is longer is cut.
  UdpBatch(size_t capacity, size_t datagram_bytes);
  ~UdpBatch();
  UdpBatch(const UdpBatch&) = delete;
  UdpBatch& operator=(const UdpBatch&) = delete;

  /// How many the last receive() brought.
  size_t size() const;
  std::string_view payload(size_t index) const;
  IpAddress peer(size_t index) const;
  /// What goes back to the sender of datagram `index`, from the address that it was sent to; empty, as it is
  /// after receive(): nothing. Its memory is kept from batch to batch.
  std::string& reply(size_t index);
  /// A copy without payload, for an answer that comes later.
  Datagram envelope(size_t index) const;

 private:
  friend class BlockingUdpSocket;
  struct Slots;
  // Waits for a datagram, then takes what is there. 0, or errno.
  int receive(int fd);
  size_t send(int fd);

  std::unique_ptr<Slots> slots_;
};

}  // namespace cloudless::net
