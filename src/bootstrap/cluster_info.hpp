// How a joining node learns whom to trust: the ConfigMap kube-public/cluster-info holds a kubeconfig without
// a user, which anybody may read, signed with each bootstrap token (KEP-130).
//
//     joining node                                    API server
//       GET cluster-info, certificate not verified  ->
//       <- kubeconfig, jws-kubeconfig-<token id>
//       the signature holds with the token's secret?
//       the CA in it has one of the pins given?       (a man in the middle knows neither)
//       from here on TLS is verified with that CA
#pragma once

#include <string>
#include <vector>

#include "api/core_v1.hpp"
#include "base/result.hpp"
#include "bootstrap/token.hpp"

namespace cloudless::bootstrap {

inline constexpr std::string_view kClusterInfoName = "cluster-info";
inline constexpr std::string_view kPublicNamespace = "kube-public";
inline constexpr std::string_view kKubeconfigKey = "kubeconfig";
inline constexpr std::string_view kSignaturePrefix = "jws-kubeconfig-";

/// The ConfigMap without signatures. `server`: https://host:port as joining nodes reach it; `ca`: PEM.
api::core::v1::ConfigMap make_cluster_info(const std::string& server, const std::string& ca);

/// The ConfigMap with one signature for each token that is for signing and not expired, and no others: what
/// the bootstrap-signer controller keeps it at. Equal to `info` when nothing is to be done.
api::core::v1::ConfigMap sign_cluster_info(api::core::v1::ConfigMap info,
                                           const std::vector<BootstrapTokenSpec>& tokens, WallTime now);

/// Makes the ConfigMap where it is missing, and brings its kubeconfig up to date; signatures are the
/// BootstrapSigner's.
runtime::Task<Result<>> ensure_cluster_info(const client::Client& client, std::string server, std::string ca);

/// What a node trusts after discovery.
struct DiscoveredCluster {
  std::string server;
  std::string ca;  // PEM
};

/// Checks the signature and the pins ("sha256:<hex>"; none given: not checked). kUnauthenticated, with what
/// to do, where one does not hold.
Result<DiscoveredCluster> verify_cluster_info(const api::core::v1::ConfigMap& info,
                                              const BootstrapTokenId& token,
                                              const std::vector<std::string>& pins);

}  // namespace cloudless::bootstrap
