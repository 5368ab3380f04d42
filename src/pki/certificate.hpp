// Certificates and certificate signing requests (RFC 5280, RFC 2986): reading, making, signing, verifying.
//
// All are immutable values that any thread may use. What signs is a Ca: a certificate with its private key.
// Nothing here touches files or the network.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "pki/key.hpp"

struct x509_st;
struct X509_req_st;

namespace cloudless::pki {

/// A distinguished name as Kubernetes reads it: the user and the groups.
struct Subject {
  std::string common_name;
  std::vector<std::string> organizations;

  friend bool operator==(const Subject&, const Subject&) = default;
};

/// The addresses that a certificate is good for.
struct AltNames {
  std::vector<std::string> dns;
  std::vector<std::string> ips;  // text form, IPv4 or IPv6
  std::vector<std::string> emails;
  std::vector<std::string> uris;

  bool empty() const { return dns.empty() && ips.empty() && emails.empty() && uris.empty(); }
  friend bool operator==(const AltNames&, const AltNames&) = default;
};

/// Key usages by their names in certificates.k8s.io/v1: "digital signature", "key encipherment", "cert sign",
/// "client auth", "server auth", ...
using Usages = std::vector<std::string>;

class Certificate {
 public:
  explicit Certificate(std::shared_ptr<x509_st> certificate) : certificate_(std::move(certificate)) {}

  static Result<Certificate> from_der(std::string_view der);
  /// The first certificate of a PEM text.
  static Result<Certificate> from_pem(std::string_view pem);
  /// All certificates of a PEM text, in order; kInvalid where there is none or one is malformed.
  static Result<std::vector<Certificate>> bundle_from_pem(std::string_view pem);

  std::string der() const;
  std::string to_pem() const;

  Subject subject() const;
  Subject issuer() const;
  AltNames alt_names() const;
  Usages usages() const;
  bool is_ca() const;
  WallTime not_before() const;
  WallTime not_after() const;
  /// Lower-case hexadecimal without leading zeros.
  std::string serial() const;
  /// Hexadecimal key identifiers of the two extensions; empty where absent.
  std::string subject_key_id() const;
  std::string authority_key_id() const;
  PublicKey public_key() const;
  /// Lower-case hexadecimal SHA-256 of the DER, by which clients are told apart in user info.
  std::string fingerprint() const;
  /// "sha256:<hex of the SHA-256 of the SubjectPublicKeyInfo>", kubeadm's --discovery-token-ca-cert-hash.
  std::string public_key_pin() const;

  x509_st* get() const { return certificate_.get(); }

 private:
  std::shared_ptr<x509_st> certificate_;
};

/// What verify() asks for. An empty usage takes any.
struct VerifyOptions {
  WallTime now;
  std::string usage;  // "client auth", "server auth" or empty
};

/// Whether a chain leads from `leaf` through `intermediates` to one of `roots`. kUnauthenticated with the
/// reason otherwise.
Result<> verify(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                const std::vector<Certificate>& roots, const VerifyOptions& options);

/// A certificate authority.
struct Ca {
  Certificate certificate;
  PrivateKey key;
};

struct CertificateSpec {
  Subject subject;
  AltNames alt_names;
  Usages usages;
  WallTime not_before;
  WallTime not_after;
  /// Makes a CA certificate (basic constraints, cert sign).
  bool is_ca = false;
};

/// Backdating of what sign_csr() and the cluster's own PKI issue, against clocks that differ.
inline constexpr std::chrono::minutes kBackdate{5};

/// A CA that signs itself, valid from `now` less kBackdate for `lifetime`.
Result<Ca> make_ca(KeyType type, std::string common_name, WallTime now, Duration lifetime);
/// A certificate for `key`, signed by `ca`. Its end is never later than the CA's.
Result<Certificate> issue(const Ca& ca, const CertificateSpec& spec, const PublicKey& key);
/// One that its own key signs, for servers that have no CA yet.
Result<Certificate> self_sign(const CertificateSpec& spec, const PrivateKey& key);

class CertificateRequest {
 public:
  explicit CertificateRequest(std::shared_ptr<X509_req_st> request) : request_(std::move(request)) {}

  /// kInvalid for malformed requests and for those whose own signature is wrong.
  static Result<CertificateRequest> from_pem(std::string_view pem);
  static Result<CertificateRequest> from_der(std::string_view der);
  static Result<CertificateRequest> make(const PrivateKey& key, const Subject& subject,
                                         const AltNames& alt_names);

  std::string to_pem() const;
  Subject subject() const;
  AltNames alt_names() const;
  PublicKey public_key() const;

 private:
  std::shared_ptr<X509_req_st> request_;
};

/// Signs what a CertificateSigningRequest asks for: subject and names from the request, `usages` from the
/// object, from `now` less kBackdate to `now` plus `duration`, no longer than the CA itself. Upstream's
/// pkg/controller/certificates/authority. kInvalid for a usage that is not known.
Result<Certificate> sign_csr(const Ca& ca, const CertificateRequest& request, const Usages& usages,
                             WallTime now, Duration duration);

}  // namespace cloudless::pki
