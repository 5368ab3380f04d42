// NetlinkSocket and NetlinkRequest: libmnl's messages as values, for netlink.cpp and its siblings.
#pragma once

#include <libmnl/libmnl.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "net/netlink.hpp"

namespace cloudless::net {

/// One request while it is built.
class NetlinkRequest {
 public:
  NetlinkRequest(uint16_t type, uint16_t flags);

  /// The family's fixed header, zeroed.
  template <class Header>
  Header* header() {
    return static_cast<Header*>(mnl_nlmsg_put_extra_header(message_, sizeof(Header)));
  }
  void put(uint16_t type, uint32_t value) { mnl_attr_put_u32(message_, type, value); }
  void put8(uint16_t type, uint8_t value) { mnl_attr_put_u8(message_, type, value); }
  void put16(uint16_t type, uint16_t value) { mnl_attr_put_u16(message_, type, value); }
  void put(uint16_t type, const std::string& text) { mnl_attr_put_strz(message_, type, text.c_str()); }
  void put_bytes(uint16_t type, std::string_view bytes) {
    mnl_attr_put(message_, type, bytes.size(), bytes.data());
  }
  void put(uint16_t type, const IpAddress& address) { put_bytes(type, address.bytes()); }
  void put(uint16_t type, const MacAddress& mac) {
    put_bytes(type, {reinterpret_cast<const char*>(mac.data()), mac.size()});
  }
  /// Everything that `fill` puts lands inside.
  template <class Fill>
  void nest(uint16_t type, Fill fill) {
    nlattr* nested = mnl_attr_nest_start(message_, type);
    fill();
    mnl_attr_nest_end(message_, nested);
  }
  nlmsghdr* message() { return message_; }

 private:
  friend class NetlinkSocket;
  std::vector<char> buffer_;
  nlmsghdr* message_;
};

/// A blocking socket; one request at a time.
class NetlinkSocket {
 public:
  static Result<NetlinkSocket> open();
  NetlinkSocket(NetlinkSocket&& other) noexcept
      : socket_(std::exchange(other.socket_, nullptr)), sequence_(other.sequence_) {}
  NetlinkSocket& operator=(NetlinkSocket&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(sequence_, other.sequence_);
    return *this;
  }
  ~NetlinkSocket();

  /// Sends and waits for the acknowledgement. `doing` is what an error begins with.
  Result<> acknowledge(NetlinkRequest& request, const std::string& doing);
  /// Sends a request and hands each message of its answer to `each`.
  using Each = std::function<void(const nlmsghdr*)>;
  Result<> collect(NetlinkRequest& request, const std::string& doing, const Each& each);

 private:
  explicit NetlinkSocket(mnl_socket* socket) : socket_(socket) {}
  mnl_socket* socket_ = nullptr;
  uint32_t sequence_ = 0;
};

/// The attributes of a message after its fixed header, by type; the pointers are into the message.
class NetlinkAttributes {
 public:
  NetlinkAttributes(const nlmsghdr* message, size_t header_size);
  explicit NetlinkAttributes(const nlattr* nested);

  const nlattr* find(uint16_t type) const { return type < found_.size() ? found_[type] : nullptr; }
  uint32_t u32(uint16_t type, uint32_t otherwise = 0) const;
  uint16_t u16(uint16_t type, uint16_t otherwise = 0) const;
  std::string text(uint16_t type) const;
  std::optional<IpAddress> address(uint16_t type) const;
  MacAddress mac(uint16_t type) const;

 private:
  void add(const nlattr* attribute);
  std::vector<const nlattr*> found_;
};

}  // namespace cloudless::net
