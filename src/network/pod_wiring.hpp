// The link between a pod's namespace and the host (cni.hpp draws it). Blocking; in the calling thread's
// namespace as the host's.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/netlink.hpp"
#include "network/address_store.hpp"

namespace cloudless::network {

/// The host end's name: derived from the attachment, so that it is found again without any record.
std::string host_interface_name(const Attachment& attachment);
net::MacAddress host_mac(const Attachment& attachment);
net::MacAddress pod_mac(const Attachment& attachment);

/// Makes the pair and its addresses, routes and neighbours. What it made is removed where a step fails.
Result<> wire_pod(const Attachment& attachment, const std::string& netns,
                  const std::vector<net::IpAddress>& addresses, uint32_t mtu);
/// Removes the pair; absent is removed.
Result<> unwire_pod(const Attachment& attachment);
/// kNotFound, naming what, where something of the wiring is missing.
Result<> check_pod(const Attachment& attachment, const std::string& netns,
                   const std::vector<net::IpAddress>& addresses);

}  // namespace cloudless::network
