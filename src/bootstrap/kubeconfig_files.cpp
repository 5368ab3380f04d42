#include "base/files.hpp"
#include "bootstrap/kubeconfig.hpp"
#include "client/kubeconfig.hpp"

namespace cloudless::bootstrap {

namespace {

constexpr mode_t kSecretMode = 0600;

const std::string& server_of(const KubeconfigOptions& options, const KubeconfigSpec& spec) {
  const bool local = spec.reaches == Reaches::kLocal && !options.local_server.empty();
  return local ? options.local_server : options.server;
}

// Whether the file that is there serves on.
Result<bool> is_good(const std::string& path, const KubeconfigOptions& options, const KubeconfigSpec& spec,
                     const pki::Ca& ca, WallTime now) {
  const auto text = read_file(path);
  if (!text && text.error().code == Code::kNotFound) return false;
  if (!text) return std::unexpected(text.error());
  const auto config = client::parse_kubeconfig(*text, options.directory);
  if (!config) return wrap(config.error(), "read {}", path);
  if (config->client_certificate.empty()) return true;
  const auto certificate = TRY(pki::Certificate::from_pem(config->client_certificate));
  if (certificate.subject().common_name != spec.subject.common_name) return true;
  return config->server == server_of(options, spec) && !renewal_reason(certificate, ca.certificate, {}, now);
}

}  // namespace

Result<bool> ensure_kubeconfig(const KubeconfigOptions& options, const KubeconfigSpec& spec,
                               const pki::Ca& ca, WallTime now) {
  const std::string path = options.directory + "/" + spec.file;
  if (TRY(is_good(path, options, spec, ca, now))) return false;
  const Kubeconfig config{
      .server = server_of(options, spec),
      .ca = ca.certificate.to_pem(),
      .user = spec.subject.common_name,
      .credential = TRY(issue_client(ca, spec.subject, options.key_type, now, options.certificate_lifetime))};
  TRY(write_file(path, render(config), kSecretMode));
  return true;
}

}  // namespace cloudless::bootstrap
