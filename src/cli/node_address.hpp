// The address of this node that others reach it by, where nobody says: as kubeadm chooses it.
#pragma once

#include <string>

#include "net/address.hpp"

namespace cloudless::cli {

/// The source address of the default route; else the first global address of an interface. kNotFound where
/// there is none, with what to do.
Result<net::IpAddress> detect_node_address();
/// The machine's name in lower case, as the kubelet takes it.
std::string detect_node_name();

/// What the machine says where nobody else does. The address is empty where it has none: that is told by the
/// rule that it breaks.
struct MachineIdentity {
  std::string name;
  std::string address;
};
MachineIdentity detect_machine();

}  // namespace cloudless::cli
