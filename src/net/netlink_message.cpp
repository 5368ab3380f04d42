#include "net/netlink_message.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace cloudless::net {

namespace {

// The longest request that netlink.cpp builds fits many times.
constexpr size_t kRequestBytes = 4096;
// The kernel fills at most this much into one datagram of a dump.
constexpr size_t kAnswerBytes = 32 * 1024;
// The kernel answers at once; a lock held for long inside it must not hold us for ever.
constexpr timeval kAnswerTimeout{10, 0};

// In a lookup's words: a link or address that is not there is not found.
std::unexpected<Error> netlink_error(int error_number, const std::string& doing) {
  Error error = system_error(error_number, doing);
  if (error_number == ENODEV || error_number == EADDRNOTAVAIL) error.code = Code::kNotFound;
  return std::unexpected(std::move(error));
}

}  // namespace

NetlinkRequest::NetlinkRequest(uint16_t type, uint16_t flags)
    : buffer_(kRequestBytes), message_(mnl_nlmsg_put_header(buffer_.data())) {
  message_->nlmsg_type = type;
  message_->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
}

Result<NetlinkSocket> NetlinkSocket::open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!socket) return std::unexpected(system_error(errno, "netlink socket"));
  NetlinkSocket opened(socket);
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
    return std::unexpected(system_error(errno, "bind a netlink socket"));
  }
  const int fd = mnl_socket_get_fd(socket);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout));
  const int on = 1;
  ::setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  return opened;
}

NetlinkSocket::~NetlinkSocket() {
  if (socket_) mnl_socket_close(socket_);
}

Result<> NetlinkSocket::acknowledge(NetlinkRequest& request, const std::string& doing) {
  request.message()->nlmsg_flags |= NLM_F_ACK;
  return collect(request, doing, [](const nlmsghdr*) {});
}

Result<> NetlinkSocket::collect(NetlinkRequest& request, const std::string& doing, const Each& each) {
  request.message()->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_, request.message(), request.message()->nlmsg_len) < 0) {
    return netlink_error(errno, doing);
  }
  std::vector<char> buffer(kAnswerBytes);
  const bool single = (request.message()->nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK)) == 0;
  bool interrupted = false;
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return netlink_error(errno, doing);
    int left = static_cast<int>(size);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_seq != sequence_) continue;  // of a request that was given up
      if (message->nlmsg_type == NLMSG_ERROR) {
        const int status = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
        if (status != 0) return netlink_error(-status, doing);
        return {};
      }
      interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message->nlmsg_type == NLMSG_DONE) {
        if (interrupted) return fail(Code::kConflict, "{}: the list changed while it was read", doing);
        return {};
      }
      each(message);
      if (single) return {};
    }
  }
}

NetlinkAttributes::NetlinkAttributes(const nlmsghdr* message, size_t header_size) {
  const char* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(message));
  for (const auto* at = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, header_size));
       mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at)) {
    add(at);
  }
}

NetlinkAttributes::NetlinkAttributes(const nlattr* nested) {
  if (!nested) return;
  const char* begin = static_cast<const char*>(mnl_attr_get_payload(nested));
  const char* end = begin + mnl_attr_get_payload_len(nested);
  for (const auto* at = reinterpret_cast<const nlattr*>(begin);
       mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at)) {
    add(at);
  }
}

void NetlinkAttributes::add(const nlattr* attribute) {
  const uint16_t type = mnl_attr_get_type(attribute);
  if (type >= found_.size()) found_.resize(type + 1u);
  found_[type] = attribute;
}

uint32_t NetlinkAttributes::u32(uint16_t type, uint32_t otherwise) const {
  const nlattr* attribute = find(type);
  return attribute && mnl_attr_get_payload_len(attribute) >= 4 ? mnl_attr_get_u32(attribute) : otherwise;
}

uint16_t NetlinkAttributes::u16(uint16_t type, uint16_t otherwise) const {
  const nlattr* attribute = find(type);
  return attribute && mnl_attr_get_payload_len(attribute) >= 2 ? mnl_attr_get_u16(attribute) : otherwise;
}

std::string NetlinkAttributes::text(uint16_t type) const {
  const nlattr* attribute = find(type);
  if (!attribute) return {};
  const char* payload = static_cast<const char*>(mnl_attr_get_payload(attribute));
  return std::string(payload, ::strnlen(payload, mnl_attr_get_payload_len(attribute)));
}

std::optional<IpAddress> NetlinkAttributes::address(uint16_t type) const {
  const nlattr* attribute = find(type);
  const size_t size = attribute ? mnl_attr_get_payload_len(attribute) : 0;
  if (size != 4 && size != 16) return std::nullopt;
  return IpAddress::from_bytes({static_cast<const char*>(mnl_attr_get_payload(attribute)), size});
}

MacAddress NetlinkAttributes::mac(uint16_t type) const {
  MacAddress mac{};
  const nlattr* attribute = find(type);
  if (attribute && mnl_attr_get_payload_len(attribute) == mac.size()) {
    std::memcpy(mac.data(), mnl_attr_get_payload(attribute), mac.size());
  }
  return mac;
}

}  // namespace cloudless::net
