// The certificate that a node agent's API shows, where the cluster's CA is at hand.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "net/address.hpp"
#include "net/tls.hpp"

namespace cloudless::cli {

/// Makes kubelet.crt and kubelet.key in `pki_dir`, signed by its ca, where they are missing or a third of
/// their life is left. The options to serve with: they ask clients for certificates of that CA. Blocking.
Result<net::TlsServerOptions> ensure_kubelet_serving(const std::string& pki_dir, const std::string& node_name,
                                                     const net::IpAddress& node_ip, WallTime now);

}  // namespace cloudless::cli
