// The cluster's PKI as kubeadm lays it out in /etc/kubernetes/pki:
//
//     ca.crt ca.key                         signs what follows and what joining nodes ask for
//       apiserver.crt/.key                  the API server's face, with all names it is reached by
//       apiserver-kubelet-client.crt/.key   the API server as a client of node agents
//     front-proxy-ca.crt ca.key             signs the client of aggregated API servers
//       front-proxy-client.crt/.key
//     sa.key sa.pub                         signs service account tokens
//
// plan_pki() decides from what is there; ensure_pki() reads, asks it and writes. Calling ensure_pki() once a
// day keeps every leaf certificate fresh: one is made anew when a third of its life is left,
// when its CA has changed, or when it lacks a name that it should have. CAs and sa.key are never replaced. A
// CA certificate without its key is an external CA: what it would sign must be there, and is left alone.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "pki/certificate.hpp"

namespace cloudless::bootstrap {

/// kubeadm's lifetimes: ten years for CAs, one for leaves.
inline constexpr std::chrono::hours kCaLifetime{24 * 365 * 10};
inline constexpr std::chrono::hours kCertificateLifetime{24 * 365};

/// What the certificates depend on.
struct PkiOptions {
  std::string directory = "/etc/kubernetes/pki";
  std::string node_name;
  std::string advertise_address;  // the API server's own address
  std::string service_subnet =
      "10.96.0.0/12";  // several with ',': its first addresses are the API's ClusterIPs
  std::string dns_domain = "cluster.local";
  std::string control_plane_endpoint;  // "host" or "host:port"; empty: the advertise address
  std::vector<std::string> extra_sans;
  pki::KeyType key_type = pki::KeyType::kEcdsaP256;
  Duration ca_lifetime = kCaLifetime;
  Duration certificate_lifetime = kCertificateLifetime;
};

/// A leaf certificate that the cluster has: the file's name without its ending, the CA's, and what it says.
struct LeafSpec {
  std::string base;
  std::string ca;
  pki::Subject subject;
  pki::AltNames alt_names;
  pki::Usages usages;
};

struct CaSpec {
  std::string base;
  std::string common_name;
};

std::vector<CaSpec> ca_specs();
/// kInvalid for a service subnet or name that is none.
Result<std::vector<LeafSpec>> leaf_specs(const PkiOptions& options);

/// Every name and address that the API server is reached by, sorted, without repetition.
Result<pki::AltNames> apiserver_alt_names(const PkiOptions& options);
/// The first address of a subnet: "10.96.0.0/12" -> "10.96.0.1".
Result<std::string> first_address(std::string_view subnet);

/// A certificate and key as they lie in the folder. A file that cannot be read is an error before planning.
struct StoredPair {
  std::optional<pki::Certificate> certificate;
  bool has_key = false;
};
/// By base name; "sa" has no certificate.
using PkiView = std::map<std::string, StoredPair, std::less<>>;

struct PkiAction {
  enum class Kind { kMakeCa, kMakeSigningKey, kIssue };
  Kind kind;
  std::string base;
  std::string why;
};

/// What to make, CAs first. Nothing when all is well. kInvalid where a certificate would have to be made and
/// its CA's key is not there.
Result<std::vector<PkiAction>> plan_pki(const PkiOptions& options, const PkiView& view, WallTime now);

/// Why a leaf is to be made anew; nothing while it is good.
std::optional<std::string> renewal_reason(const pki::Certificate& certificate, const pki::Certificate& ca,
                                          const pki::AltNames& wanted, WallTime now);
/// When a third of the certificate's life is left.
WallTime renewal_time(const pki::Certificate& certificate);

/// Reads the folder, plans, makes and writes (keys 0600, certificates 0644). What was done, for the log.
/// Blocking.
Result<std::vector<PkiAction>> ensure_pki(const PkiOptions& options, WallTime now);

/// The CA of `base` ("ca", "front-proxy-ca") with its key. kNotFound where the key is kept elsewhere.
Result<pki::Ca> load_ca(const std::string& directory, std::string_view base);

/// A certificate and its key in PEM.
struct Credential {
  std::string certificate;
  std::string key;
};
/// A client certificate of the cluster's CA, for a kubeconfig.
Result<Credential> issue_client(const pki::Ca& ca, const pki::Subject& subject, pki::KeyType key_type,
                                WallTime now, Duration lifetime = kCertificateLifetime);

}  // namespace cloudless::bootstrap
