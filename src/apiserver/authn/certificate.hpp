// Client certificates: the common name is the user, the organizations are the groups. The TLS layer has
// verified the chain against all CAs that the listener trusts before a request is read.
#pragma once

#include <vector>

#include "apiserver/pipeline.hpp"
#include "base/clock.hpp"
#include "pki/certificate.hpp"

namespace cloudless::apiserver::authn {

class CertificateAuthenticator final : public Authenticator {
 public:
  /// `client_ca`: the CAs of users, where the listener trusts others besides (those of front proxies).
  /// Empty: whatever the listener has verified is a user.
  explicit CertificateAuthenticator(const Clock& clock, std::vector<pki::Certificate> client_ca = {})
      : clock_(clock), client_ca_(std::move(client_ca)) {}
  runtime::Task<Result<std::optional<UserInfo>>> authenticate(const net::Request& request) override;

 private:
  const Clock& clock_;
  const std::vector<pki::Certificate> client_ca_;
};

/// Roles in this program: cli/ gave the connection its identity.
class InProcessAuthenticator final : public Authenticator {
 public:
  runtime::Task<Result<std::optional<UserInfo>>> authenticate(const net::Request& request) override;
};

/// system:anonymous, for whatever comes without a credential. Comes last.
class AnonymousAuthenticator final : public Authenticator {
 public:
  runtime::Task<Result<std::optional<UserInfo>>> authenticate(const net::Request& request) override;
};

}  // namespace cloudless::apiserver::authn
