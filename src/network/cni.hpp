// The CNI plugin (CNI specification 1.0.0 and 1.1.0): the same program, invoked by the container runtime as
// `cloudless-cni` with CNI_COMMAND in its environment. One plugin does address management, wiring and host
// ports.
//
//   pod namespace                          host namespace
//   eth0  10.244.1.7/32                    cl<hash of container>      route 10.244.1.7/32 -> cl...
//     default via 169.254.1.1 onlink  <veth>   permanent neighbour 10.244.1.7
//     permanent neighbour 169.254.1.1
//
// Pods are routed, not bridged: every packet passes the IP hooks of the host once, so Services, policy and
// hairpin work without br_netfilter, and no broadcast reaches a pod.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/address.hpp"

namespace cloudless::network {

inline constexpr std::string_view kCniPluginName = "cloudless-cni";

/// True where the program was started as a CNI plugin: by its name, or by CNI_COMMAND.
bool is_cni_invocation(std::string_view argv0);

/// Runs one CNI command from the environment and `input`, writes the result or error as JSON to `output`.
/// The exit status: 0 or 1.
int run_cni_plugin(std::istream& input, std::ostream& output);

/// What the configuration list in the CNI directory says.
struct CniConfig {
  std::string network_name = "cloudless";
  /// The node's pod networks, at most one per family.
  std::vector<net::Prefix> pod_cidrs;
  /// Where addresses are recorded.
  std::string state_dir;
  uint32_t mtu = 1500;
  /// The nft table of host ports (hostport.hpp).
  std::string hostport_table = "cloudless-hostports";
  friend bool operator==(const CniConfig&, const CniConfig&) = default;
};

/// The text of the configuration list (10-cloudless.conflist).
std::string format_cni_config_list(const CniConfig& config);

/// Writes the list into `directory` by an atomic rename; no write where the file has that text already.
Result<> write_cni_config_list(const std::string& directory, const CniConfig& config);

/// Puts the plugin into `bin_directory`: links named cloudless-cni and loopback to `program` (an absolute
/// path).
Result<> install_cni_plugin(const std::string& bin_directory, const std::string& program);

/// Absent is removed.
Result<> remove_cni_config_list(const std::string& directory);
Result<> remove_cni_plugin(const std::string& bin_directory);

}  // namespace cloudless::network
