// BlockingUdpSocket: the UDP socket of a server that has a thread to itself. The thread sleeps in the
// receiving system call, so a wake-up costs no more than the datagrams do: no event loop, no second call to
// ask what is ready.
//
//     while (socket.receive(batch)) { answer each datagram of batch; socket.send_replies(batch); }
//
// One thread receives; any other may send, and shut it down.
#pragma once

#include <atomic>

#include "net/udp_batch.hpp"

namespace cloudless::net {

class BlockingUdpSocket {
 public:
  static Result<BlockingUdpSocket> bind(const SocketAddress& address, const UdpOptions& options = {});
  BlockingUdpSocket(BlockingUdpSocket&& other) noexcept;
  BlockingUdpSocket& operator=(BlockingUdpSocket&&) = delete;
  /// Closes it. No thread may be in it.
  ~BlockingUdpSocket();

  /// With the port that the kernel chose.
  const SocketAddress& address() const { return address_; }
  /// Waits for a datagram, then takes what is there into `batch`, in place of what it held. False after
  /// shut_down().
  bool receive(UdpBatch& batch);
  /// Sends what replies the batch has, without waiting; how many the kernel did not take.
  size_t send_replies(UdpBatch& batch);
  /// Without waiting; false where the buffer is full or the kernel refuses. Any thread.
  bool try_send(const Datagram& datagram);
  /// Makes receive() return, now and ever after. Any thread.
  void shut_down();

 private:
  BlockingUdpSocket(int fd, SocketAddress address) : fd_(fd), address_(address) {}

  int fd_;  // -1: moved from
  SocketAddress address_;
  std::atomic<bool> down_{false};
};

}  // namespace cloudless::net
