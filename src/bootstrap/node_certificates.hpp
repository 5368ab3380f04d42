// A node's own certificates, by CertificateSigningRequests: the first client certificate with a bootstrap
// token, its renewals with the one before, and the serving certificate (kubelet TLS bootstrapping).
//
//     <pki>/kubelet-client-<time>.pem       key and certificate in one file
//     <pki>/kubelet-client-current.pem  ->  the newest
//
// Renewal is due when a third of a certificate's life is left.
#pragma once

#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "client/client.hpp"
#include "pki/certificate.hpp"

namespace cloudless::bootstrap {

inline constexpr std::string_view kNodeClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr std::string_view kNodeServingSigner = "kubernetes.io/kubelet-serving";
/// How long a request waits for its certificate, and how often it looks.
inline constexpr std::chrono::minutes kCertificateWait{15};
inline constexpr std::chrono::milliseconds kCertificatePoll{500};

/// What a certificate is asked for.
struct NodeCertificateRequest {
  std::string name_prefix;  // "node-csr-"
  std::string signer;
  pki::Subject subject;
  pki::AltNames alt_names;
  pki::Usages usages;
};

NodeCertificateRequest node_client_request(const std::string& node_name);
NodeCertificateRequest node_serving_request(const std::string& node_name, pki::AltNames alt_names);

/// Asks, waits for approval and signature, and returns key and certificate in one PEM text. A denied or
/// failed request is kPermissionDenied with the reason given; no answer within kCertificateWait is
/// kDeadlineExceeded.
runtime::Task<Result<std::string>> request_certificate(const client::Client& client,
                                                       NodeCertificateRequest request, Random& random,
                                                       Logger log);

/// The pair that `<base>-current.pem` leads to.
struct NodeCertificate {
  std::string pem;
  pki::Certificate certificate;

  bool needs_renewal(WallTime now) const;
};
/// Nothing where there is none, or where it is damaged or expired: then the bootstrap token is asked for
/// again.
std::optional<NodeCertificate> load_node_certificate(const std::string& directory, const std::string& base,
                                                     WallTime now);
/// Writes the file (0600) and turns the link to it at once. `base`: "kubelet-client", "kubelet-server".
Result<> store_node_certificate(const std::string& directory, const std::string& base, const std::string& pem,
                                WallTime now);

}  // namespace cloudless::bootstrap
