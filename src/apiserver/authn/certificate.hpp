// Client certificates: the common name is the user, the organizations are the groups. The TLS layer has
// verified the chain against the client CAs before a request is read.
#pragma once

#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authn {

class CertificateAuthenticator final : public Authenticator {
 public:
  runtime::Task<Result<std::optional<UserInfo>>> authenticate(const net::Request& request) override;
};

/// Roles in this program: cli/ gave the connection its identity (decision 1).
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
