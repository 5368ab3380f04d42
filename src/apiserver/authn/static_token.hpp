// Static tokens: upstream's --token-auth-file, one "token,user,uid[,"group1,group2"]" a line (CSV). For
// clusters that have them; they never expire, and are read once.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "apiserver/authn/token.hpp"

namespace cloudless::apiserver::authn {

/// Users by their tokens. kInvalid, with the line's number, for a line with fewer than three columns or an
/// empty token. The first of two lines with one token counts.
Result<std::map<std::string, UserInfo>> parse_token_file(std::string_view text);

class StaticTokenAuthenticator final : public TokenAuthenticator {
 public:
  explicit StaticTokenAuthenticator(std::map<std::string, UserInfo> users) : users_(std::move(users)) {}
  runtime::Task<Result<std::optional<TokenUser>>> authenticate_token(
      std::string_view token, const std::vector<std::string>& audiences) override;

 private:
  const std::map<std::string, UserInfo> users_;
};

}  // namespace cloudless::apiserver::authn
