// Bootstrap tokens: "abcdef.0123456789abcdef", kept in Secrets of kube-system (KEP-130;
// plugin/pkg/auth/authenticator/ token/bootstrap). Who holds one is system:bootstrap:<id>, in
// system:bootstrappers.
#pragma once

#include "apiserver/authn/token.hpp"
#include "base/clock.hpp"

namespace cloudless::apiserver::authn {

struct BootstrapTokenText {
  std::string id;      // [a-z0-9]{6}
  std::string secret;  // [a-z0-9]{16}
};
/// Nothing where the text is no bootstrap token.
std::optional<BootstrapTokenText> parse_bootstrap_token(std::string_view text);

class BootstrapTokenAuthenticator final : public TokenAuthenticator {
 public:
  BootstrapTokenAuthenticator(Objects& objects, const Clock& clock) : objects_(objects), clock_(clock) {}
  runtime::Task<Result<std::optional<TokenUser>>> authenticate_token(
      std::string_view token, const std::vector<std::string>& audiences) override;

 private:
  Objects& objects_;
  const Clock& clock_;
};

}  // namespace cloudless::apiserver::authn
