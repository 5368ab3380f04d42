// Bearer tokens: what a token says about who holds it, for requests and for TokenReview.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authn {

struct TokenUser {
  UserInfo user;
  /// Those of the audiences asked for that the token is meant for; empty for a token that knows no audiences.
  std::vector<std::string> audiences;
};

class TokenAuthenticator {
 public:
  virtual ~TokenAuthenticator() = default;
  /// Nothing where the token is of another kind; kUnauthenticated where it is of this kind and does not hold,
  /// or is meant for none of `audiences`.
  virtual runtime::Task<Result<std::optional<TokenUser>>> authenticate_token(
      std::string_view token, const std::vector<std::string>& audiences) = 0;
};

/// Several kinds of tokens, asked in order.
class TokenChain final : public TokenAuthenticator {
 public:
  explicit TokenChain(std::vector<std::shared_ptr<TokenAuthenticator>> kinds) : kinds_(std::move(kinds)) {}
  /// The first error counts where no kind takes the token.
  runtime::Task<Result<std::optional<TokenUser>>> authenticate_token(
      std::string_view token, const std::vector<std::string>& audiences) override;

 private:
  std::vector<std::shared_ptr<TokenAuthenticator>> kinds_;
};

/// "Authorization: Bearer <token>", and for browsers' WebSockets the subprotocol
/// base64url.bearer.authorization.k8s.io.<token>. A token that nobody takes is refused.
class BearerAuthenticator final : public Authenticator {
 public:
  BearerAuthenticator(std::shared_ptr<TokenAuthenticator> tokens, std::vector<std::string> api_audiences)
      : tokens_(std::move(tokens)), api_audiences_(std::move(api_audiences)) {}
  runtime::Task<Result<std::optional<UserInfo>>> authenticate(const net::Request& request) override;

 private:
  std::shared_ptr<TokenAuthenticator> tokens_;
  std::vector<std::string> api_audiences_;
};

/// The token of a request, if it has one.
std::optional<std::string> bearer_token(const net::Headers& headers);

/// Those of `wanted` that are among `have`.
std::vector<std::string> intersect_audiences(const std::vector<std::string>& wanted,
                                             const std::vector<std::string>& have);

/// TokenReview (authentication.k8s.io/v1): asks `tokens` on behalf of others.
class TokenReview final : public VirtualResource {
 public:
  TokenReview(std::shared_ptr<TokenAuthenticator> tokens, std::vector<std::string> api_audiences)
      : tokens_(std::move(tokens)), api_audiences_(std::move(api_audiences)) {}
  runtime::Task<ApiResult<boost::json::object>> create(const CreateContext& context,
                                                       boost::json::object object) override;

 private:
  std::shared_ptr<TokenAuthenticator> tokens_;
  std::vector<std::string> api_audiences_;
};

/// SelfSubjectReview: tells callers who they are.
class SelfSubjectReview final : public VirtualResource {
 public:
  explicit SelfSubjectReview(const Clock& clock) : clock_(clock) {}
  runtime::Task<ApiResult<boost::json::object>> create(const CreateContext& context,
                                                       boost::json::object object) override;

 private:
  const Clock& clock_;
};

/// A user as authentication.k8s.io/v1 UserInfo.
boost::json::object to_json(const UserInfo& user);

}  // namespace cloudless::apiserver::authn
