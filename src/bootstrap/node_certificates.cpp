#include "bootstrap/node_certificates.hpp"

#include <filesystem>

#include "api/certificates_v1.hpp"
#include "base/files.hpp"
#include "bootstrap/pki.hpp"
#include "runtime/timer.hpp"

namespace cloudless::bootstrap {

using api::certificates::v1::CertificateSigningRequest;
using runtime::Task;

namespace {

constexpr size_t kNameSuffixLength = 10;

// The reason why a request comes to nothing, if it does.
std::optional<Error> failure_of(const CertificateSigningRequest& request) {
  for (const auto& condition : request.status.conditions) {
    if (condition.type != "Denied" && condition.type != "Failed") continue;
    return Error{
        Code::kPermissionDenied,
        fmt::format("certificate signing request {} is {}, reason: {}, message: {}", request.metadata.name,
                    condition.type == "Denied" ? "denied" : "failed", condition.reason, condition.message)};
  }
  return std::nullopt;
}

Task<Result<std::string>> wait_for_certificate(const client::Client& client, std::string name) {
  for (;;) {
    const auto request = CO_TRY(co_await client.get<CertificateSigningRequest>("", name));
    if (const auto failure = failure_of(request)) co_return std::unexpected(*failure);
    if (!request.status.certificate.empty()) co_return request.status.certificate;
    CO_TRY(co_await runtime::sleep_for(kCertificatePoll));
  }
}

std::string current_path(const std::string& directory, const std::string& base) {
  return directory + "/" + base + "-current.pem";
}

// "2026-11-22-17-59-23", as the kubelet names its files.
std::string file_time(WallTime now) {
  std::string text = format_rfc3339(now).substr(0, 19);
  for (char& c : text) {
    if (c == 'T' || c == ':') c = '-';
  }
  return text;
}

}  // namespace

NodeCertificateRequest node_client_request(const std::string& node_name) {
  return {.name_prefix = "node-csr-",
          .signer = std::string(kNodeClientSigner),
          .subject = {"system:node:" + node_name, {"system:nodes"}},
          .alt_names = {},
          .usages = {"digital signature", "client auth"}};
}

NodeCertificateRequest node_serving_request(const std::string& node_name, pki::AltNames alt_names) {
  return {.name_prefix = "csr-",
          .signer = std::string(kNodeServingSigner),
          .subject = {"system:node:" + node_name, {"system:nodes"}},
          .alt_names = std::move(alt_names),
          .usages = {"digital signature", "server auth"}};
}

Task<Result<std::string>> request_certificate(const client::Client& client, NodeCertificateRequest wanted,
                                              Random& random, Logger log) {
  const auto key = CO_TRY(pki::PrivateKey::generate(pki::KeyType::kEcdsaP256));
  CertificateSigningRequest request;
  request.metadata.name = wanted.name_prefix + random.text(kNameSuffixLength, kNameAlphabet);
  request.spec.request =
      CO_TRY(pki::CertificateRequest::make(key, wanted.subject, wanted.alt_names)).to_pem();
  request.spec.signerName = wanted.signer;
  request.spec.usages = wanted.usages;
  CO_TRY(co_await client.create(request));
  log.info("asked for a certificate", {{"request", request.metadata.name}, {"signer", wanted.signer}});
  const std::string certificate = CO_TRY(co_await runtime::with_timeout(
      kCertificateWait, "the certificate's approval", wait_for_certificate(client, request.metadata.name)));
  const auto issued = CO_TRY(pki::Certificate::from_pem(certificate));
  if (issued.public_key() != key.public_key())
    co_return fail(Code::kDataLoss, "the certificate of {} is for another key", request.metadata.name);
  co_return certificate + key.to_pem();
}

bool NodeCertificate::needs_renewal(WallTime now) const { return now >= renewal_time(certificate); }

std::optional<NodeCertificate> load_node_certificate(const std::string& directory, const std::string& base,
                                                     WallTime now) {
  auto pem = read_file(current_path(directory, base));
  if (!pem) return std::nullopt;
  const auto certificate = pki::Certificate::from_pem(*pem);
  const auto key = pki::PrivateKey::from_pem(*pem);
  if (!certificate || !key || key->public_key() != certificate->public_key() ||
      certificate->not_after() <= now)
    return std::nullopt;
  return NodeCertificate{std::move(*pem), *certificate};
}

Result<> store_node_certificate(const std::string& directory, const std::string& base, const std::string& pem,
                                WallTime now) {
  const std::string path = fmt::format("{}/{}-{}.pem", directory, base, file_time(now));
  TRY(write_file(path, pem, 0600));
  // A link cannot be changed, only replaced: by one beside it.
  const std::string link = current_path(directory, base);
  const std::string fresh = link + ".new";
  std::error_code error;
  std::filesystem::remove(fresh, error);
  std::filesystem::create_symlink(path, fresh, error);
  if (!error) std::filesystem::rename(fresh, link, error);
  if (error) return std::unexpected(system_error(error.value(), "link " + link));
  return {};
}

}  // namespace cloudless::bootstrap
