// Defaults and rules of kubeadm's documents (cmd/kubeadm/app/apis/kubeadm/v1beta4/defaults.go,
// .../validation).
#include <algorithm>
#include <array>

#include "base/clock.hpp"
#include "base/strings.hpp"
#include "bootstrap/documents.hpp"
#include "bootstrap/pki.hpp"
#include "bootstrap/token.hpp"

namespace cloudless::bootstrap {

namespace {

constexpr std::string_view kKubernetesVersion = "v1.35.0";
constexpr std::string_view kCriSocket = "unix:///var/run/containerd/containerd.sock";
constexpr int32_t kBindPort = 6443;
constexpr size_t kPinHexDigits = 64;

void set_default(std::string& field, std::string_view value) {
  if (field.empty()) field = value;
}

void apply_defaults(kubeadm::NodeRegistrationOptions& node, const std::string& node_name) {
  set_default(node.name, to_lower(node_name));
  set_default(node.criSocket, kCriSocket);
  set_default(node.imagePullPolicy, "IfNotPresent");
}

Result<> check_subnets(const std::string& subnets, std::string_view field) {
  for (const std::string_view subnet : split(subnets, ',')) {
    if (!first_address(subnet))
      return fail(Code::kInvalid, "{}: Invalid value: {}: couldn't parse subnet", field, quote(subnets));
  }
  return {};
}

Result<> check_duration(const std::string& text, std::string_view field) {
  if (text.empty() || parse_duration(text)) return {};
  return fail(Code::kInvalid, "{}: Invalid value: {}: not a duration such as 24h0m0s", field, quote(text));
}

Result<> check_pin(const std::string& pin) {
  constexpr std::string_view kPrefix = "sha256:";
  const std::string_view digits = std::string_view(pin).substr(std::min(kPrefix.size(), pin.size()));
  const bool good = pin.starts_with(kPrefix) && digits.size() == kPinHexDigits &&
                    std::ranges::all_of(digits, [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (good) return {};
  return fail(Code::kInvalid,
              "discovery.bootstrapToken.caCertHashes: Invalid value: {}: not of the form "
              "sha256:<64 hexadecimal digits>",
              quote(pin));
}

Result<> validate_discovery(const kubeadm::Discovery& discovery) {
  if (discovery.bootstrapToken && discovery.file)
    return fail(Code::kInvalid, "discovery: Invalid value: \"\": bootstrapToken and file cannot both be set");
  if (!discovery.bootstrapToken && !discovery.file)
    return fail(Code::kInvalid, "discovery: Invalid value: \"\": bootstrapToken or file must be set");
  if (!discovery.bootstrapToken) return {};
  const auto& token = *discovery.bootstrapToken;
  if (!BootstrapTokenId::parse(token.token))
    return fail(Code::kInvalid,
                "discovery.bootstrapToken.token: Invalid value: the bootstrap token is invalid");
  if (token.apiServerEndpoint.empty())
    return fail(Code::kInvalid,
                "discovery.bootstrapToken.apiServerEndpoint: Required value: where the API server is, "
                "as in 192.0.2.1:6443");
  if (token.caCertHashes.empty() && !token.unsafeSkipCAVerification)
    return fail(Code::kInvalid,
                "discovery.bootstrapToken: Invalid value: \"\": using token-based discovery without "
                "caCertHashes can be "
                "unsafe. Set unsafeSkipCAVerification as true in your kubeadm config file or pass "
                "--discovery-token-unsafe-skip-ca-verification flag to continue");
  for (const std::string& pin : token.caCertHashes) TRY(check_pin(pin));
  return {};
}

}  // namespace

void apply_defaults(kubeadm::ClusterConfiguration& cluster) {
  set_default(cluster.clusterName, "kubernetes");
  set_default(cluster.kubernetesVersion, kKubernetesVersion);
  set_default(cluster.certificatesDir, "/etc/kubernetes/pki");
  set_default(cluster.imageRepository, "registry.k8s.io");
  set_default(cluster.encryptionAlgorithm, "ECDSA-P256");
  set_default(cluster.networking.dnsDomain, "cluster.local");
  set_default(cluster.networking.serviceSubnet, "10.96.0.0/12");
  set_default(cluster.networking.podSubnet, "10.244.0.0/16");
  set_default(cluster.certificateValidityPeriod, format_duration(kCertificateLifetime));
  set_default(cluster.caCertificateValidityPeriod, format_duration(kCaLifetime));
}

void apply_defaults(kubeadm::InitConfiguration& init, const std::string& node_name,
                    const std::string& advertise_address) {
  apply_defaults(init.nodeRegistration, node_name);
  set_default(init.localAPIEndpoint.advertiseAddress, advertise_address);
  if (init.localAPIEndpoint.bindPort == 0) init.localAPIEndpoint.bindPort = kBindPort;
  for (kubeadm::BootstrapToken& token : init.bootstrapTokens) {
    if (token.usages.empty()) token.usages = {"signing", "authentication"};
    if (token.groups.empty()) token.groups = {std::string(kDefaultNodeTokenGroup)};
    if (token.ttl.empty() && token.expires.empty()) token.ttl = format_duration(kDefaultTokenLifetime);
  }
}

void apply_defaults(kubeadm::JoinConfiguration& join, const std::string& node_name) {
  apply_defaults(join.nodeRegistration, node_name);
  set_default(join.caCertPath, "/etc/kubernetes/pki/ca.crt");
  if (join.discovery.bootstrapToken)
    set_default(join.discovery.tlsBootstrapToken, join.discovery.bootstrapToken->token);
  if (join.controlPlane && join.controlPlane->localAPIEndpoint.bindPort == 0)
    join.controlPlane->localAPIEndpoint.bindPort = kBindPort;
}

void apply_defaults(kubeadm::ResetConfiguration& reset) {
  set_default(reset.certificatesDir, "/etc/kubernetes/pki");
  set_default(reset.criSocket, kCriSocket);
}

Result<> validate(const kubeadm::ClusterConfiguration& cluster) {
  TRY(check_subnets(cluster.networking.serviceSubnet, "networking.serviceSubnet"));
  TRY(check_subnets(cluster.networking.podSubnet, "networking.podSubnet"));
  TRY(check_duration(cluster.certificateValidityPeriod, "certificateValidityPeriod"));
  TRY(check_duration(cluster.caCertificateValidityPeriod, "caCertificateValidityPeriod"));
  static constexpr std::array<std::string_view, 2> kAlgorithms{"ECDSA-P256", "RSA-2048"};
  if (std::ranges::find(kAlgorithms, cluster.encryptionAlgorithm) == kAlgorithms.end())
    return fail(Code::kInvalid, "encryptionAlgorithm: Invalid value: {}: supported values: {}",
                quote(cluster.encryptionAlgorithm), join(kAlgorithms, ", "));
  if (cluster.etcd.local && cluster.etcd.external)
    return fail(Code::kInvalid,
                "etcd: Invalid value: \"\": .Etcd.Local and .Etcd.External are mutually exclusive");
  return {};
}

Result<> validate(const kubeadm::InitConfiguration& init) {
  for (size_t i = 0; i < init.bootstrapTokens.size(); ++i) {
    if (!BootstrapTokenId::parse(init.bootstrapTokens[i].token))
      return fail(Code::kInvalid, "bootstrapTokens[{}].token: Invalid value: the bootstrap token is invalid",
                  i);
    TRY(check_duration(init.bootstrapTokens[i].ttl, fmt::format("bootstrapTokens[{}].ttl", i)));
  }
  const int32_t port = init.localAPIEndpoint.bindPort;
  if (port < 1 || port > 65535)
    return fail(Code::kInvalid,
                "localAPIEndpoint.bindPort: Invalid value: {}: must be between 1 and 65535, inclusive", port);
  return {};
}

Result<> validate(const kubeadm::JoinConfiguration& join) { return validate_discovery(join.discovery); }

}  // namespace cloudless::bootstrap
