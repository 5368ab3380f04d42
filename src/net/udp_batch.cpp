#include "net/udp_batch.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "net/udp_control.hpp"

namespace cloudless::net {

// Everything of one datagram and of its reply that the kernel reads or writes, in arrays as it wants them.
struct UdpBatch::Slots {
  Slots(size_t capacity, size_t datagram_bytes)
      : bytes(datagram_bytes),
        buffer(std::make_unique_for_overwrite<char[]>(capacity * datagram_bytes)),
        peers(capacity),
        controls(capacity),
        vectors(capacity),
        messages(capacity),
        replies(capacity),
        reply_vectors(capacity),
        reply_messages(capacity) {
    for (size_t i = 0; i < capacity; ++i) {
      vectors[i] = {buffer.get() + i * bytes, bytes};
      msghdr& head = messages[i].msg_hdr;
      head.msg_name = &peers[i];
      head.msg_iov = &vectors[i];
      head.msg_iovlen = 1;
      head.msg_control = controls[i].bytes.data();
      rewind(i);
    }
  }

  // The kernel overwrites these lengths on receipt.
  void rewind(size_t i) {
    messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in6);
    messages[i].msg_hdr.msg_controllen = controls[i].bytes.size();
  }

  const size_t bytes;
  const std::unique_ptr<char[]> buffer;
  std::vector<sockaddr_in6> peers;  // of either family: a sockaddr_in is smaller
  std::vector<UdpControl> controls;
  std::vector<iovec> vectors;
  std::vector<mmsghdr> messages;
  size_t size = 0;
  std::vector<std::string> replies;
  std::vector<iovec> reply_vectors;
  std::vector<mmsghdr> reply_messages;
};

namespace {

// Turns what came with a datagram into what goes with its answer: leave from the address that was asked, by
// whatever way the routes say. A link-local peer's interface stands in its own address.
void turn_control(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof(info));
      info.ipi_ifindex = 0;
      info.ipi_spec_dst = info.ipi_addr;
      std::memcpy(CMSG_DATA(part), &info, sizeof(info));
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof(info));
      info.ipi6_ifindex = 0;
      std::memcpy(CMSG_DATA(part), &info, sizeof(info));
    }
  }
}

}  // namespace

UdpBatch::UdpBatch(size_t capacity, size_t datagram_bytes)
    : slots_(std::make_unique<Slots>(capacity, datagram_bytes)) {}

UdpBatch::~UdpBatch() = default;

size_t UdpBatch::size() const { return slots_->size; }

std::string_view UdpBatch::payload(size_t index) const {
  return {slots_->buffer.get() + index * slots_->bytes, slots_->messages[index].msg_len};
}

IpAddress UdpBatch::peer(size_t index) const {
  return SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&slots_->peers[index])).address;
}

std::string& UdpBatch::reply(size_t index) { return slots_->replies[index]; }

Datagram UdpBatch::envelope(size_t index) const {
  Datagram datagram;
  datagram.peer = SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&slots_->peers[index]));
  read_control(slots_->messages[index].msg_hdr, datagram);
  datagram.interface_index = 0;
  return datagram;
}

int UdpBatch::receive(int fd) {
  Slots& slots = *slots_;
  for (size_t i = 0; i < slots.size; ++i) {
    slots.rewind(i);
    slots.replies[i].clear();
  }
  slots.size = 0;
  const int count = ::recvmmsg(fd, slots.messages.data(), static_cast<unsigned>(slots.messages.size()),
                               MSG_WAITFORONE, nullptr);
  if (count < 0) return errno;
  slots.size = static_cast<size_t>(count);
  return 0;
}

size_t UdpBatch::send(int fd) {
  Slots& slots = *slots_;
  unsigned count = 0;
  for (size_t i = 0; i < slots.size; ++i) {
    if (slots.replies[i].empty()) continue;
    slots.reply_vectors[count] = {slots.replies[i].data(), slots.replies[i].size()};
    msghdr& head = slots.reply_messages[count].msg_hdr;
    head = slots.messages[i].msg_hdr;
    head.msg_iov = &slots.reply_vectors[count];
    turn_control(head);
    ++count;
  }
  size_t refused = 0;
  for (unsigned at = 0; at < count;) {
    const int sent =
        ::sendmmsg(fd, slots.reply_messages.data() + at, count - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    // An error is the first message's; the others may go through.
    refused += sent < 0 ? 1 : 0;
    at += static_cast<unsigned>(std::max(1, sent));
  }
  return refused;
}

}  // namespace cloudless::net
