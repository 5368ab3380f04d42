#include "apiserver/authn/certificate.hpp"

#include "apiserver/authn/request_header.hpp"
#include "apiserver/authn/users.hpp"
#include "pki/certificate.hpp"

namespace cloudless::apiserver::authn {

using runtime::Task;

Task<Result<std::optional<UserInfo>>> CertificateAuthenticator::authenticate(const net::Request& request) {
  if (!request.peer.certificate_error.empty())
    co_return fail(Code::kUnauthenticated, "x509: {}", request.peer.certificate_error);
  if (request.peer.certificates.empty()) co_return std::nullopt;
  const auto certificate = client_ca_.empty()
                               ? pki::Certificate::from_der(request.peer.certificates.front())
                               : verify_client(request.peer.certificates, client_ca_, clock_.wall_now());
  if (!certificate) co_return fail(Code::kUnauthenticated, "{}", certificate.error().message);
  pki::Subject subject = certificate->subject();
  if (subject.common_name.empty()) co_return std::nullopt;
  UserInfo user{
      .name = std::move(subject.common_name), .uid = {}, .groups = std::move(subject.organizations)};
  user.extra[std::string(kExtraCredentialId)] = {"X509SHA256=" + certificate->fingerprint()};
  co_return authenticated(std::move(user));
}

Task<Result<std::optional<UserInfo>>> InProcessAuthenticator::authenticate(const net::Request& request) {
  if (!request.peer.in_process_user) co_return std::nullopt;
  // A role may act for another by presenting that one's token.
  if (request.headers.get("authorization")) co_return std::nullopt;
  co_return authenticated({.name = *request.peer.in_process_user, .groups = request.peer.in_process_groups});
}

Task<Result<std::optional<UserInfo>>> AnonymousAuthenticator::authenticate(const net::Request&) {
  co_return UserInfo{.name = std::string(kUserAnonymous), .groups = {std::string(kGroupUnauthenticated)}};
}

}  // namespace cloudless::apiserver::authn
