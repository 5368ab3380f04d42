#include "apiserver/authn/request_header.hpp"

#include <algorithm>

#include "apiserver/authn/users.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::authn {

namespace {

std::string first_of(const net::Headers& headers, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::string_view value = headers.get(name).value_or("");
    if (!value.empty()) return std::string(value);
  }
  return "";
}

// Header names have no case: extra keys are lower case, and may be percent-encoded.
std::string extra_key(std::string_view text) {
  const std::string lower = to_lower(text);
  return net::percent_decode(lower, false).value_or(lower);
}

}  // namespace

std::optional<UserInfo> user_of_headers(const RequestHeaderOptions& options, const net::Headers& headers) {
  UserInfo user{.name = first_of(headers, options.username_headers),
                .uid = first_of(headers, options.uid_headers)};
  if (user.name.empty()) return std::nullopt;
  for (const std::string& name : options.group_headers) {
    for (const std::string_view group : headers.all(name)) user.groups.emplace_back(group);
  }
  for (const auto& [name, value] : headers) {
    for (const std::string& prefix : options.extra_header_prefixes) {
      if (name.size() <= prefix.size() ||
          !equal_ignoring_case(std::string_view(name).substr(0, prefix.size()), prefix))
        continue;
      user.extra[extra_key(std::string_view(name).substr(prefix.size()))].push_back(value);
      break;
    }
  }
  return user;
}

Result<pki::Certificate> verify_client(const std::vector<std::string>& certificates,
                                       const std::vector<pki::Certificate>& roots, WallTime now) {
  if (certificates.empty()) return fail(Code::kUnauthenticated, "no client certificate");
  std::vector<pki::Certificate> chain;
  for (const std::string& der : certificates) chain.push_back(TRY(pki::Certificate::from_der(der)));
  const pki::Certificate leaf = chain.front();
  chain.erase(chain.begin());
  TRY(pki::verify(leaf, chain, roots, {.now = now, .usage = "client auth"}));
  return leaf;
}

runtime::Task<Result<std::optional<UserInfo>>> RequestHeaderAuthenticator::authenticate(
    const net::Request& request) {
  std::optional<UserInfo> user = user_of_headers(options_, request.headers);
  if (!user || request.peer.certificates.empty()) co_return std::nullopt;
  // Anybody can send the headers: without the proxy's certificate they say nothing.
  const auto proxy = verify_client(request.peer.certificates, options_.client_ca, clock_.wall_now());
  if (!proxy) co_return std::nullopt;
  const std::string name = proxy->subject().common_name;
  if (!options_.allowed_names.empty() &&
      std::ranges::find(options_.allowed_names, name) == options_.allowed_names.end())
    co_return fail(Code::kUnauthenticated, "x509: subject with cn={} is not in the allowed list", name);
  co_return authenticated(std::move(*user));
}

}  // namespace cloudless::apiserver::authn
