// Host ports: a container's port on the node's own addresses, as nf_tables maps that the CNI plugin fills.
// The table is the plugin's own, apart from that of Services, so either can be replaced without the other.
//
//   prerouting, output:  to one of the node's addresses, tcp/udp/sctp ->
//       bound  { address . protocol . port : pod . port }   where hostIP is given
//       ports  { protocol . port : pod . port }
//   postrouting:         a pod that reached itself is masqueraded
#pragma once

#include <string>
#include <vector>

#include "network/address_store.hpp"

namespace cloudless::network {

/// The script that makes the table where it is absent and leaves the elements of one that is there.
std::string hostport_table_script(const std::string& table);
/// The script that adds, or removes, the elements of these records. Removing what is absent is no error.
std::string hostport_add_script(const std::string& table, const std::vector<AddressRecord>& records);
std::string hostport_remove_script(const std::string& table, const std::vector<AddressRecord>& records);

}  // namespace cloudless::network
