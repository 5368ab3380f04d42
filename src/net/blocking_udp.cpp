#include "net/blocking_udp.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/udp_control.hpp"

namespace cloudless::net {

namespace {

// Pause after an error of the socket itself (no memory, its interface is down), so that receiving does not
// spin.
constexpr int kRetryPauseMs = 20;

}  // namespace

Result<BlockingUdpSocket> BlockingUdpSocket::bind(const SocketAddress& address, const UdpOptions& options) {
  const BoundUdp bound = TRY(open_udp(address, options));
  return BlockingUdpSocket(bound.fd, bound.address);
}

BlockingUdpSocket::BlockingUdpSocket(BlockingUdpSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), address_(other.address_), down_(other.down_.load()) {}

BlockingUdpSocket::~BlockingUdpSocket() {
  if (fd_ >= 0) ::close(fd_);
}

// Once shut down, the kernel returns an empty datagram that nobody sent, hence the look after the call.
bool BlockingUdpSocket::receive(UdpBatch& batch) {
  while (!down_) {
    const int status = batch.receive(fd_);
    if (down_) return false;
    if (status == 0) return true;
    if (status != EINTR) ::poll(nullptr, 0, kRetryPauseMs);
  }
  return false;
}

size_t BlockingUdpSocket::send_replies(UdpBatch& batch) { return batch.send(fd_); }

bool BlockingUdpSocket::try_send(const Datagram& datagram) { return send_datagram(fd_, datagram) == 0; }

// On a socket without a peer the call fails with ENOTCONN, having woken the reader all the same.
void BlockingUdpSocket::shut_down() {
  down_ = true;
  ::shutdown(fd_, SHUT_RD);
}

}  // namespace cloudless::net
