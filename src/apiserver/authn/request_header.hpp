// A proxy in front speaks for its users: whoever shows a certificate of the front proxy's CA names the user
// in headers (k8s.io/apiserver/pkg/authentication/request/headerrequest). What the aggregation layer sends to
// extension API servers, and what this server takes from a proxy that an operator put before it.
#pragma once

#include <string>
#include <vector>

#include "apiserver/pipeline.hpp"
#include "base/clock.hpp"
#include "pki/certificate.hpp"

namespace cloudless::apiserver::authn {

/// Upstream's --requestheader-* flags, with kubeadm's values.
struct RequestHeaderOptions {
  /// Who signs the proxies' certificates. Empty: no proxy is believed.
  std::vector<pki::Certificate> client_ca;
  /// The common names of the proxies; empty: any that the CA signed.
  std::vector<std::string> allowed_names{"front-proxy-client"};
  std::vector<std::string> username_headers{"X-Remote-User"};
  std::vector<std::string> uid_headers;
  std::vector<std::string> group_headers{"X-Remote-Group"};
  std::vector<std::string> extra_header_prefixes{"X-Remote-Extra-"};
};

class RequestHeaderAuthenticator final : public Authenticator {
 public:
  RequestHeaderAuthenticator(RequestHeaderOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}
  runtime::Task<Result<std::optional<UserInfo>>> authenticate(const net::Request& request) override;

 private:
  const RequestHeaderOptions options_;
  const Clock& clock_;
};

/// The user that the headers name; nothing where they name none. Pure.
std::optional<UserInfo> user_of_headers(const RequestHeaderOptions& options, const net::Headers& headers);

/// Whether the certificates that a peer showed (DER, leaf first) are a client's of one of `roots`.
Result<pki::Certificate> verify_client(const std::vector<std::string>& certificates,
                                       const std::vector<pki::Certificate>& roots, WallTime now);

}  // namespace cloudless::apiserver::authn
