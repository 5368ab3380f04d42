#include "apiserver/authn/token.hpp"

#include <algorithm>

#include "apiserver/authn/users.hpp"
#include "apiserver/json_fields.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::authn {

using runtime::Task;

namespace {

constexpr std::string_view kWebSocketPrefix = "base64url.bearer.authorization.k8s.io.";

json::array to_array(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

std::optional<std::string> websocket_token(const net::Headers& headers) {
  for (const std::string_view field : headers.all("sec-websocket-protocol")) {
    for (const std::string_view item : split(field, ',')) {
      const std::string_view protocol = trim(item);
      if (!protocol.starts_with(kWebSocketPrefix)) continue;
      auto token = base64url_decode(protocol.substr(kWebSocketPrefix.size()));
      if (token && !token->empty()) return *token;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> intersect_audiences(const std::vector<std::string>& wanted,
                                             const std::vector<std::string>& have) {
  std::vector<std::string> out;
  std::ranges::copy_if(wanted, std::back_inserter(out),
                       [&](const auto& audience) { return std::ranges::find(have, audience) != have.end(); });
  return out;
}

std::optional<std::string> bearer_token(const net::Headers& headers) {
  const std::string_view field = trim(headers.get("authorization").value_or(""));
  const size_t blank = field.find(' ');
  if (blank != std::string_view::npos && equal_ignoring_case(field.substr(0, blank), "bearer")) {
    const std::string_view token = trim(field.substr(blank + 1));
    if (!token.empty()) return std::string(token);
  }
  return websocket_token(headers);
}

Task<Result<std::optional<TokenUser>>> TokenChain::authenticate_token(
    std::string_view token, const std::vector<std::string>& audiences) {
  std::optional<Error> first_error;
  for (const auto& kind : kinds_) {
    auto user = co_await kind->authenticate_token(token, audiences);
    if (user && *user) co_return user;
    if (!user && !first_error) first_error = user.error();
  }
  if (first_error) co_return std::unexpected(*first_error);
  co_return std::nullopt;
}

Task<Result<std::optional<UserInfo>>> BearerAuthenticator::authenticate(const net::Request& request) {
  const auto token = bearer_token(request.headers);
  if (!token) co_return std::nullopt;
  auto user = CO_TRY(co_await tokens_->authenticate_token(*token, api_audiences_));
  if (!user) co_return fail(Code::kUnauthenticated, "invalid bearer token");
  co_return authenticated(std::move(user->user));
}

json::object to_json(const UserInfo& user) {
  json::object out;
  if (!user.name.empty()) out["username"] = user.name;
  if (!user.uid.empty()) out["uid"] = user.uid;
  if (!user.groups.empty()) out["groups"] = to_array(user.groups);
  if (user.extra.empty()) return out;
  json::object& extra = out["extra"].emplace_object();
  for (const auto& [key, values] : user.extra) extra[key] = to_array(values);
  return out;
}

Task<ApiResult<json::object>> TokenReview::create(const CreateContext&, json::object object) {
  const std::string token(text_at(object, {"spec", "token"}));
  if (token.empty())
    co_return std::unexpected(bad_request("token is required for TokenReview in authentication"));
  std::vector<std::string> audiences;
  for (const auto& audience : array_at(object, {"spec", "audiences"})) {
    if (audience.is_string()) audiences.emplace_back(audience.get_string());
  }
  if (audiences.empty()) audiences = api_audiences_;
  const auto user = co_await tokens_->authenticate_token(token, audiences);
  json::object status;
  if (user && *user) {
    status["authenticated"] = true;
    status["user"] = to_json(authenticated((*user)->user));
    if (!(*user)->audiences.empty()) status["audiences"] = to_array((*user)->audiences);
  } else {
    status["user"] = json::object();
    status["error"] = user ? "invalid bearer token" : "[invalid bearer token, " + user.error().message + "]";
  }
  object["status"] = std::move(status);
  co_return object;
}

Task<ApiResult<json::object>> SelfSubjectReview::create(const CreateContext& context, json::object object) {
  metadata(object)["creationTimestamp"] = format_rfc3339(clock_.wall_now());
  object["status"] = json::object{{"userInfo", to_json(context.user)}};
  co_return object;
}

}  // namespace cloudless::apiserver::authn
