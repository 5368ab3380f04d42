// Joining a cluster, step by step, each of which leaves files that the next start finds (KEP-130, kubelet TLS
// bootstrapping):
//
//   1. discover      cluster-info, trusted by the token's signature and the CA's pin, or a kubeconfig that is
//                    at hand                                -> ca.crt
//   2. bootstrap     with the token: a client certificate   -> kubelet-client-current.pem, kubelet.conf
//   3. serve         as the node, once its Node object lists its addresses: a serving certificate
//                                                           -> kubelet-server-current.pem
//
// A node whose files are good needs neither token nor discovery to start again: `init` makes the files of 1
// and 2 itself.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "client/client.hpp"
#include "client/connection.hpp"
#include "net/address.hpp"
#include "pki/certificate.hpp"

namespace cloudless::cli {

inline constexpr std::chrono::minutes kDiscoveryLimit{5};
inline constexpr std::chrono::milliseconds kDiscoveryPoll{500};

/// Where a node keeps who it is.
struct NodeFiles {
  std::string cert_dir = "/var/lib/cloudless/kubelet/pki";
  std::string ca = "/etc/kubernetes/pki/ca.crt";
  std::string kubeconfig = "/etc/kubernetes/kubelet.conf";

  std::string client_pair() const { return cert_dir + "/kubelet-client-current.pem"; }
  std::string serving_pair() const { return cert_dir + "/kubelet-server-current.pem"; }
};

struct JoinOptions {
  std::string server;                // "host:port" of any API server of the cluster
  std::string token;                 // for discovery
  std::string bootstrap_token;       // for the certificate; empty: the same
  std::vector<std::string> ca_pins;  // "sha256:<hex>"
  bool skip_ca_verification = false;
  /// A kubeconfig that says where the cluster is and what to trust it by, in the place of cluster-info.
  std::string discovery_file;
  Duration discovery_limit = kDiscoveryLimit;
  std::string node_name;
  net::IpAddress node_ip;
  NodeFiles files;
};

class NodeJoin {
 public:
  /// All references outlive this.
  NodeJoin(JoinOptions options, net::Resolver& resolver, Random& random, const Clock& clock, Logger log);

  /// Step 1: "https://host:port" of the cluster; its CA is in `files`. Errors as credentials().
  runtime::Task<Result<std::string>> discover();
  /// Steps 1 and 2 where they are due. The way to the API as the node; its certificate is read anew when it
  /// is renewed. kInvalid where a token is needed and none given; kUnauthenticated where the cluster cannot
  /// be trusted.
  runtime::Task<Result<client::ConnectionOptions>> credentials();
  /// What to serve with until step 3: the certificate of an earlier start, or one that the node signs itself.
  Result<net::TlsServerOptions> serving_options();
  /// Step 3, and the client certificate's renewal, where due. Called again now and then, it keeps both fresh.
  runtime::Task<Result<>> renew(const client::Client& client);

 private:
  runtime::Task<Result<std::string>> discover_by_token();
  Result<std::string> discover_by_file() const;
  runtime::Task<Result<>> ask_for_certificate(std::string server);
  Result<bool> has_serving_certificate() const;
  pki::AltNames names() const;

  const JoinOptions options_;
  net::Resolver& resolver_;
  Random& random_;
  const Clock& clock_;
  Logger log_;
};

}  // namespace cloudless::cli
