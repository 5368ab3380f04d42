// Joining a cluster, step by step, each of which leaves files that the next start finds (KEP-130, kubelet TLS
// bootstrapping):
//
//   1. discover      cluster-info, trusted by the token's signature and the CA's pin    -> pki/ca.crt
//   2. bootstrap     with the token: a client certificate   -> pki/kubelet-client-current.pem, kubelet.conf
//   3. configure     as the node: networks, domain, DNS from kube-system/kubeadm-config
//   4. serve         as the node, once its Node object lists its addresses: a serving certificate
//                                                           -> pki/kubelet-server-current.pem
//
// A node whose files are good needs neither token nor discovery to start again.
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

struct JoinOptions {
  std::string server;  // "host:port" of any API server of the cluster
  std::string token;
  std::vector<std::string> ca_pins;  // "sha256:<hex>"
  bool skip_ca_verification = false;
  std::string node_name;
  net::IpAddress node_ip;
  std::string data_dir;

  std::string pki_dir() const { return data_dir + "/pki"; }
  std::string ca_path() const { return pki_dir() + "/ca.crt"; }
  std::string kubeconfig_path() const { return data_dir + "/kubelet.conf"; }
};

/// What a node must know of its cluster before it can run pods.
struct ClusterNetworking {
  std::vector<net::Prefix> pod_cidrs;
  std::vector<net::Prefix> service_cidrs;
  std::string domain;
};

class NodeJoin {
 public:
  /// All references outlive this.
  NodeJoin(JoinOptions options, net::Resolver& resolver, Random& random, const Clock& clock, Logger log);

  /// Steps 1 and 2 where they are due. The way to the API as the node; its certificate is read anew when it
  /// is renewed. kInvalid where a token is needed and none given; kUnauthenticated where the cluster cannot
  /// be trusted.
  runtime::Task<Result<client::ConnectionOptions>> credentials();
  /// Step 3.
  runtime::Task<Result<ClusterNetworking>> networking(const client::Client& client);
  /// What to serve with until step 4: the certificate of an earlier start, or one that the node signs itself.
  Result<net::TlsServerOptions> serving_options();
  /// Step 4, and the client certificate's renewal, where due. Called again now and then, it keeps both fresh.
  runtime::Task<Result<>> renew(const client::Client& client);

 private:
  runtime::Task<Result<std::string>> discover();
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
