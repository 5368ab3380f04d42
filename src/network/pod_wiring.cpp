#include "network/pod_wiring.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "network/cni_protocol.hpp"

namespace cloudless::network {

namespace {

constexpr uint8_t kScopeLink = 253;           // RT_SCOPE_LINK
constexpr uint32_t kNoDuplicateCheck = 0x02;  // IFA_F_NODAD: the address is ours by allocation
constexpr size_t kNameDigits = 11;

std::string digest_of(const Attachment& attachment) {
  return sha256(attachment.container_id + "/" + attachment.interface);
}

// A locally administered unicast address from six bytes of a digest.
net::MacAddress mac_from(std::string_view bytes) {
  net::MacAddress mac{};
  std::ranges::copy(bytes.substr(0, mac.size()), mac.begin());
  mac[0] = static_cast<uint8_t>((mac[0] & 0xfc) | 0x02);
  return mac;
}

net::Prefix host_prefix(const net::IpAddress& address) { return {address, address.bits()}; }

net::Prefix default_prefix(const net::IpAddress& family_of) {
  return {family_of.is_v4() ? net::IpAddress::any_v4() : net::IpAddress::any_v6(), 0};
}

Result<> wire_pod_end(const Attachment& attachment, const std::string& netns,
                      const std::vector<net::IpAddress>& addresses) {
  net::Netlink netlink = TRY(net::Netlink::open_in(netns));
  const net::Link loopback = TRY(netlink.link("lo"));
  TRY(netlink.set_admin(loopback.index, net::Netlink::Admin::kUp));
  const net::Link link = TRY(netlink.link(attachment.interface));
  for (const net::IpAddress& address : addresses) {
    TRY(netlink.ensure_address({link.index, host_prefix(address), 0, kNoDuplicateCheck}));
  }
  TRY(netlink.set_admin(link.index, net::Netlink::Admin::kUp));
  for (const net::IpAddress& address : addresses) {
    const net::IpAddress gateway = pod_gateway(address);
    TRY(netlink.put_neighbour({link.index, gateway, host_mac(attachment)}));
    net::Route route;
    route.destination = default_prefix(address);
    route.gateway = gateway;
    route.interface_index = link.index;
    route.on_link = true;
    TRY(netlink.put_route(route));
  }
  return {};
}

Result<> wire_host_end(net::Netlink& netlink, const Attachment& attachment,
                       const std::vector<net::IpAddress>& addresses) {
  const net::Link link = TRY(netlink.link(host_interface_name(attachment)));
  TRY(netlink.set_admin(link.index, net::Netlink::Admin::kUp));
  for (const net::IpAddress& address : addresses) {
    TRY(netlink.put_neighbour({link.index, address, pod_mac(attachment)}));
    net::Route route;
    route.destination = host_prefix(address);
    route.interface_index = link.index;
    if (address.is_v4()) route.scope = kScopeLink;
    TRY(netlink.put_route(route));
  }
  return {};
}

}  // namespace

std::string host_interface_name(const Attachment& attachment) {
  return "cl" + hex_encode(digest_of(attachment)).substr(0, kNameDigits);
}

net::MacAddress host_mac(const Attachment& attachment) {
  return mac_from(std::string_view(digest_of(attachment)).substr(8));
}

net::MacAddress pod_mac(const Attachment& attachment) {
  return mac_from(std::string_view(digest_of(attachment)).substr(16));
}

Result<> wire_pod(const Attachment& attachment, const std::string& netns,
                  const std::vector<net::IpAddress>& addresses, uint32_t mtu) {
  net::Netlink netlink = TRY(net::Netlink::open());
  // The name is derived from the attachment: a pair that is there is what a killed ADD of it left.
  TRY(unwire_pod(attachment));
  TRY(netlink.add_veth(host_interface_name(attachment), attachment.interface, mtu, netns,
                       host_mac(attachment), pod_mac(attachment)));
  Result<> wired = wire_pod_end(attachment, netns, addresses);
  if (wired) wired = wire_host_end(netlink, attachment, addresses);
  if (!wired) static_cast<void>(unwire_pod(attachment));
  return wired;
}

Result<> unwire_pod(const Attachment& attachment) {
  net::Netlink netlink = TRY(net::Netlink::open());
  const auto link = netlink.link(host_interface_name(attachment));
  if (!link) {
    if (link.error().code == Code::kNotFound) return {};
    return std::unexpected(link.error());
  }
  return netlink.delete_link(link->index);
}

Result<> check_pod(const Attachment& attachment, const std::string& netns,
                   const std::vector<net::IpAddress>& addresses) {
  net::Netlink pod = TRY(net::Netlink::open_in(netns));
  const net::Link inside = TRY(pod.link(attachment.interface));
  const std::vector<net::InterfaceAddress> present = TRY(pod.addresses());
  for (const net::IpAddress& address : addresses) {
    const bool found = std::ranges::any_of(present, [&](const net::InterfaceAddress& entry) {
      return entry.interface_index == inside.index && entry.prefix.address == address;
    });
    if (!found) return fail(Code::kNotFound, "{} lacks {}", attachment.interface, address.to_string());
  }
  net::Netlink host = TRY(net::Netlink::open());
  const net::Link outside = TRY(host.link(host_interface_name(attachment)));
  const std::vector<net::Route> routes = TRY(host.routes());
  for (const net::IpAddress& address : addresses) {
    const bool found = std::ranges::any_of(routes, [&](const net::Route& route) {
      return route.destination == host_prefix(address) && route.interface_index == outside.index;
    });
    if (!found) return fail(Code::kNotFound, "the host has no route to {}", address.to_string());
  }
  return {};
}

}  // namespace cloudless::network
