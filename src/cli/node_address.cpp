#include "cli/node_address.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "base/strings.hpp"

namespace cloudless::cli {

namespace {

// Connecting a datagram socket sends nothing, but makes the kernel choose route and source address.
std::optional<net::IpAddress> source_of_default_route() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  sockaddr_in far{};
  far.sin_family = AF_INET;
  far.sin_port = htons(53);
  // Any address that is not ours does; 192.0.2.1 (TEST-NET-1, RFC 5737) is nobody's.
  inet_pton(AF_INET, "192.0.2.1", &far.sin_addr);
  sockaddr_storage near{};
  socklen_t length = sizeof near;
  const bool found = connect(fd, reinterpret_cast<sockaddr*>(&far), sizeof far) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&near), &length) == 0;
  close(fd);
  if (!found) return std::nullopt;
  return net::SocketAddress::from_native(reinterpret_cast<sockaddr*>(&near)).address;
}

std::optional<net::IpAddress> first_interface_address() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return std::nullopt;
  std::optional<net::IpAddress> found;
  for (const ifaddrs* entry = list; entry && !found; entry = entry->ifa_next) {
    const bool usable = entry->ifa_addr && entry->ifa_addr->sa_family == AF_INET &&
                        (entry->ifa_flags & IFF_UP) && !(entry->ifa_flags & IFF_LOOPBACK);
    if (usable) found = net::SocketAddress::from_native(entry->ifa_addr).address;
  }
  freeifaddrs(list);
  return found;
}

}  // namespace

Result<net::IpAddress> detect_node_address() {
  if (const auto address = source_of_default_route(); address && !address->is_loopback()) return *address;
  if (const auto address = first_interface_address()) return *address;
  return fail(Code::kNotFound, "this machine has no address but loopback; name one with --node-ip");
}

MachineIdentity detect_machine() {
  MachineIdentity machine{.name = detect_node_name(), .address = {}};
  if (const auto address = detect_node_address()) machine.address = address->to_string();
  return machine;
}

std::string detect_node_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "node";
  return to_lower(name.data());
}

}  // namespace cloudless::cli
