#include "cli/serving_certificate.hpp"

#include "bootstrap/pki.hpp"
#include "cli/files.hpp"
#include "pki/certificate.hpp"

namespace cloudless::cli {

namespace {

bool is_good(const std::string& path, const pki::Ca& ca, const pki::AltNames& names, WallTime now) {
  const auto pem = read_file(path);
  if (!pem) return false;
  const auto certificate = pki::Certificate::from_pem(*pem);
  return certificate && !bootstrap::renewal_reason(*certificate, ca.certificate, names, now);
}

}  // namespace

Result<net::TlsServerOptions> ensure_kubelet_serving(const std::string& pki_dir, const std::string& node_name,
                                                     const net::IpAddress& node_ip, WallTime now) {
  const std::string certificate_path = pki_dir + "/kubelet.crt";
  const std::string key_path = pki_dir + "/kubelet.key";
  const pki::Ca ca = TRY(bootstrap::load_ca(pki_dir, "ca"));
  pki::AltNames names;
  names.dns = {node_name};
  names.ips = {node_ip.to_string()};
  if (!is_good(certificate_path, ca, names, now)) {
    const pki::PrivateKey key = TRY(pki::PrivateKey::generate(pki::KeyType::kEcdsaP256));
    const pki::CertificateSpec spec{
        .subject = {.common_name = "system:node:" + node_name, .organizations = {"system:nodes"}},
        .alt_names = names,
        .usages = {"digital signature", "server auth"},
        .not_before = now - pki::kBackdate,
        .not_after = now + bootstrap::kCertificateLifetime};
    const pki::Certificate certificate = TRY(pki::issue(ca, spec, key.public_key()));
    TRY(write_file(key_path, key.to_pem(), 0600));
    TRY(write_file(certificate_path, certificate.to_pem(), 0644));
  }
  net::TlsServerOptions options;
  options.identities = {{net::PemSource::file(certificate_path), net::PemSource::file(key_path)}};
  options.client_ca = net::PemSource::file(pki_dir + "/ca.crt");
  options.client_certificates = net::ClientCertificates::kOptional;
  return options;
}

}  // namespace cloudless::cli
