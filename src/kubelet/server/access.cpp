#include "kubelet/server/access.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "client/client.hpp"
#include "pki/certificate.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

namespace {

namespace authentication = api::authentication::v1;
namespace authorization = api::authorization::v1;

constexpr std::string_view kAuthenticatedGroup = "system:authenticated";
constexpr std::string_view kBearer = "bearer ";

std::string verb_of(std::string_view method) {
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return "get";
}

bool is_below(std::string_view path, std::string_view root) {
  return path == root || (path.starts_with(root) && path[root.size()] == '/');
}

// The caller's token; nothing where there is none.
std::optional<std::string> bearer_token(const net::Headers& headers) {
  const auto field = headers.get("authorization");
  if (!field || field->size() <= kBearer.size()) return std::nullopt;
  if (!equal_ignoring_case(field->substr(0, kBearer.size()), kBearer)) return std::nullopt;
  std::string token(trim(field->substr(kBearer.size())));
  if (token.empty()) return std::nullopt;
  return token;
}

authorization::SubjectAccessReviewSpec review_of(const Caller& caller, std::string verb,
                                                 std::string subresource, const std::string& node_name) {
  authorization::SubjectAccessReviewSpec spec;
  spec.user = caller.username;
  spec.uid = caller.uid;
  spec.groups = caller.groups;
  spec.extra = caller.extra;
  authorization::ResourceAttributes& attributes = spec.resourceAttributes.emplace();
  attributes.verb = std::move(verb);
  attributes.version = "v1";
  attributes.resource = "nodes";
  attributes.subresource = std::move(subresource);
  attributes.name = node_name;
  return spec;
}

// As upstream's server says it; `what`: "Forbidden" or "Authorization error".
std::string refusal_text(std::string_view what, const Caller& caller, const NodeAccess& access) {
  return fmt::format("{} (user={}, verb={}, resource=nodes, subresource(s)=[{}])\n", what, caller.username,
                     access.verb, join(access.subresources, " "));
}

}  // namespace

NodeAccess access_of(std::string_view method, std::string_view path) {
  NodeAccess access{.verb = verb_of(method), .subresources = {}};
  if (is_below(path, "/stats")) {
    access.subresources = {"stats"};
  } else if (is_below(path, "/metrics")) {
    access.subresources = {"metrics"};
  } else if (is_below(path, "/logs")) {
    access.subresources = {"log"};
  } else if (is_below(path, "/checkpoint")) {
    access.subresources = {"checkpoint"};
  } else if (is_below(path, "/pods") || is_below(path, "/runningpods")) {
    access.subresources = {"pods", "proxy"};
  } else if (is_below(path, "/healthz")) {
    access.subresources = {"healthz", "proxy"};
  } else if (is_below(path, "/configz")) {
    access.subresources = {"configz", "proxy"};
  } else {
    access.subresources = {"proxy"};
  }
  return access;
}

std::optional<Caller> caller_of_certificate(const std::string& der) {
  const auto certificate = pki::Certificate::from_der(der);
  if (!certificate) return std::nullopt;
  pki::Subject subject = certificate->subject();
  if (subject.common_name.empty()) return std::nullopt;
  Caller caller;
  caller.username = std::move(subject.common_name);
  caller.groups = std::move(subject.organizations);
  caller.groups.emplace_back(kAuthenticatedGroup);
  return caller;
}

AccessGuard::AccessGuard(client::Client* client, std::string node_name, const Clock& clock, Logger log)
    : client_(client), node_name_(std::move(node_name)), clock_(clock), log_(std::move(log)) {}

runtime::Task<std::optional<Refusal>> AccessGuard::check(const net::Request& request) {
  if (request.peer.in_process_user) co_return std::nullopt;
  const auto caller = co_await authenticate(request);
  if (!caller) log_.warn("cannot tell who asks the kubelet", {{"error", caller.error()}});
  if (!caller || !*caller) co_return Refusal{401, "Unauthorized"};
  const NodeAccess access = access_of(request.method, request.path());
  for (const std::string& subresource : access.subresources) {
    const auto allowed = co_await authorize(**caller, access.verb, subresource);
    if (!allowed) {
      log_.warn("cannot tell who may use the kubelet",
                {{"user", (*caller)->username}, {"error", allowed.error()}});
      co_return Refusal{500, refusal_text("Authorization error", **caller, access)};
    }
    if (*allowed) co_return std::nullopt;
  }
  co_return Refusal{403, refusal_text("Forbidden", **caller, access)};
}

// A certificate first; a token counts where there is none.
runtime::Task<Result<std::optional<Caller>>> AccessGuard::authenticate(const net::Request& request) {
  if (!request.peer.certificates.empty()) {
    if (auto caller = caller_of_certificate(request.peer.certificates.front())) co_return caller;
  }
  auto token = bearer_token(request.headers);
  if (!token) co_return std::nullopt;
  co_return co_await review_token(std::move(*token));
}

runtime::Task<Result<std::optional<Caller>>> AccessGuard::review_token(std::string token) {
  if (!client_) co_return std::nullopt;
  const std::string key = sha256(token);
  if (const auto known = tokens_.find(key, clock_.steady_now())) co_return *known;
  authentication::TokenReview review;
  review.spec.token = std::move(token);
  const auto answer =
      CO_TRY(co_await runtime::with_timeout(kReviewLimit, "a token review", client_->create(review)));
  std::optional<Caller> caller;
  if (answer.status.authenticated) caller = answer.status.user;
  tokens_.add(key, caller, clock_.steady_now() + kTokenTtl);
  co_return caller;
}

runtime::Task<Result<bool>> AccessGuard::authorize(const Caller& caller, std::string verb,
                                                   std::string subresource) {
  if (!client_) co_return false;
  authorization::SubjectAccessReview review;
  review.spec = review_of(caller, std::move(verb), std::move(subresource), node_name_);
  const std::string key = schema::encode(review.spec);
  if (const auto known = decisions_.find(key, clock_.steady_now())) co_return *known;
  const auto answer =
      CO_TRY(co_await runtime::with_timeout(kReviewLimit, "an access review", client_->create(review)));
  const bool allowed = answer.status.allowed && !answer.status.denied;
  const Duration ttl = allowed ? Duration(kAllowedTtl) : Duration(kRefusedTtl);
  decisions_.add(key, allowed, clock_.steady_now() + ttl);
  co_return allowed;
}

}  // namespace cloudless::kubelet
