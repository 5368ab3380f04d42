// What goes to an upstream resolver, and where upstream resolvers are found. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dns/message.hpp"
#include "net/address.hpp"

namespace cloudless::dns {

/// The packet that asks `query` upstream with `id`: recursion desired, EDNS passed on.
std::string upstream_packet(const Query& query, uint16_t id);

/// The name servers of a resolv.conf text, port 53; loopback ones too.
std::vector<net::SocketAddress> parse_resolv_conf(std::string_view text);

}  // namespace cloudless::dns
