#include "cli/control_plane_files.hpp"

#include "base/files.hpp"
#include "bootstrap/documents.hpp"
#include "bootstrap/node_certificates.hpp"
#include "cli/files.hpp"
#include "net/address.hpp"
#include "schema/struct_codec.hpp"
#include "schema/yaml.hpp"

namespace cloudless::cli {

namespace {

constexpr const char* kApiVersion = "kubeadm.k8s.io/v1beta4";
constexpr const char* kClientBase = "kubelet-client";

Result<Duration> lifetime(const std::string& text, Duration by_default) {
  return text.empty() ? Result<Duration>(by_default) : parse_duration(text);
}

}  // namespace

std::string ControlPlaneConfiguration::local_endpoint() const {
  const auto& own = init.localAPIEndpoint;
  return net::join_host_port(own.advertiseAddress, static_cast<uint16_t>(own.bindPort));
}

std::string ControlPlaneConfiguration::endpoint() const {
  if (cluster.controlPlaneEndpoint.empty()) return local_endpoint();
  const auto port = static_cast<uint16_t>(init.localAPIEndpoint.bindPort);
  // "host" or "host:port".
  const std::string& named = cluster.controlPlaneEndpoint;
  const size_t colon = named.rfind(':');
  const bool has_port = colon != std::string::npos && named.find(']', colon) == std::string::npos &&
                        (named.find(':') == colon || named[colon - 1] == ']');
  return has_port ? named : net::join_host_port(named, port);
}

std::string encode_configuration(ControlPlaneConfiguration configuration) {
  configuration.cluster.apiVersion = configuration.init.apiVersion = kApiVersion;
  configuration.cluster.kind = "ClusterConfiguration";
  configuration.init.kind = "InitConfiguration";
  // Tokens are the API's to keep.
  configuration.init.bootstrapTokens.clear();
  return schema::serialize_yaml(schema::to_value(configuration.cluster)) + "---\n" +
         schema::serialize_yaml(schema::to_value(configuration.init));
}

Result<ControlPlaneConfiguration> decode_configuration(std::string_view text, std::string_view file) {
  auto documents = TRY(bootstrap::read_documents(text, file));
  if (!documents.cluster || !documents.init)
    return fail(Code::kDataLoss, "{} has no ClusterConfiguration and InitConfiguration", file);
  return ControlPlaneConfiguration{std::move(*documents.cluster), std::move(*documents.init)};
}

Result<ControlPlaneFiles> control_plane_files(const NodeLayout& layout,
                                              const ControlPlaneConfiguration& configuration) {
  const auto& cluster = configuration.cluster;
  ControlPlaneFiles files;
  files.node_name = configuration.init.nodeRegistration.name;
  bootstrap::PkiOptions& pki = files.pki;
  pki.directory = layout.pki_dir();
  pki.node_name = files.node_name;
  pki.advertise_address = configuration.init.localAPIEndpoint.advertiseAddress;
  pki.service_subnet = cluster.networking.serviceSubnet;
  pki.dns_domain = cluster.networking.dnsDomain;
  pki.control_plane_endpoint = cluster.controlPlaneEndpoint;
  pki.extra_sans = cluster.apiServer.certSANs;
  pki.key_type =
      cluster.encryptionAlgorithm == "RSA-2048" ? pki::KeyType::kRsa2048 : pki::KeyType::kEcdsaP256;
  pki.ca_lifetime = TRY(lifetime(cluster.caCertificateValidityPeriod, bootstrap::kCaLifetime));
  pki.certificate_lifetime =
      TRY(lifetime(cluster.certificateValidityPeriod, bootstrap::kCertificateLifetime));
  files.kubeconfigs.directory = layout.kubernetes_dir;
  files.kubeconfigs.server = "https://" + configuration.endpoint();
  files.kubeconfigs.local_server = "https://" + configuration.local_endpoint();
  files.kubeconfigs.key_type = pki.key_type;
  files.kubeconfigs.certificate_lifetime = pki.certificate_lifetime;
  return files;
}

Result<std::optional<ControlPlaneFiles>> find_control_plane_files(const NodeLayout& layout) {
  const std::string path = layout.control_plane();
  const auto text = read_file(path);
  if (!text && text.error().code == Code::kNotFound) return std::nullopt;
  if (!text) return std::unexpected(text.error());
  const auto configuration = TRY(decode_configuration(*text, path));
  return TRY(control_plane_files(layout, configuration));
}

Result<bool> ensure_files(const ControlPlaneFiles& files, WallTime now) {
  TRY(make_directories(files.pki.directory));
  bool made = !TRY(bootstrap::ensure_pki(files.pki, now)).empty();
  const pki::Ca ca = TRY(bootstrap::load_ca(files.pki.directory, "ca"));
  for (const bootstrap::KubeconfigSpec& spec : bootstrap::kubeconfig_specs(files.node_name)) {
    if (spec.file == "kubelet.conf") continue;
    if (TRY(bootstrap::ensure_kubeconfig(files.kubeconfigs, spec, ca, now))) made = true;
  }
  return made;
}

Result<> ensure_node_credentials(const NodeFiles& node, const ControlPlaneFiles& files, WallTime now) {
  TRY(make_directories(node.cert_dir));
  const pki::Ca ca = TRY(bootstrap::load_ca(files.pki.directory, "ca"));
  const pki::Subject subject{"system:node:" + files.node_name, {"system:nodes"}};
  if (!bootstrap::load_node_certificate(node.cert_dir, kClientBase, now)) {
    const auto credential =
        TRY(bootstrap::issue_client(ca, subject, files.pki.key_type, now, files.pki.certificate_lifetime));
    TRY(bootstrap::store_node_certificate(node.cert_dir, kClientBase, credential.certificate + credential.key,
                                          now));
  }
  const bootstrap::Kubeconfig kubeconfig{.server = files.kubeconfigs.server,
                                         .ca = ca.certificate.to_pem(),
                                         .user = subject.common_name,
                                         .credential = {},
                                         .credential_file = node.client_pair(),
                                         .token = {}};
  return write_file(node.kubeconfig, bootstrap::render(kubeconfig), 0600);
}

}  // namespace cloudless::cli
