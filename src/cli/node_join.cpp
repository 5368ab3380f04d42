#include "cli/node_join.hpp"

#include "api/core_v1.hpp"
#include "base/files.hpp"
#include "bootstrap/cluster_info.hpp"
#include "bootstrap/kubeconfig.hpp"
#include "bootstrap/node_certificates.hpp"
#include "bootstrap/pki.hpp"
#include "cli/files.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

using api::core::v1::ConfigMap;
using client::Client;
using client::Connection;
using client::ConnectionOptions;
using runtime::Task;

namespace {

constexpr const char* kClientBase = "kubelet-client";
constexpr const char* kServerBase = "kubelet-server";
constexpr std::chrono::hours kPlaceholderLifetime{24};

// Certificate and key lie in one file.
net::TlsIdentity identity_of(const std::string& path) {
  return {net::PemSource::file(path), net::PemSource::file(path)};
}

// Whether the CA is one of the pins does not change with time, so that is left to the caller.
Task<Result<ConfigMap>> ask_cluster_info(const Client& client, bootstrap::BootstrapTokenId token) {
  auto info = CO_TRY(co_await client.get<ConfigMap>(std::string(bootstrap::kPublicNamespace),
                                                    std::string(bootstrap::kClusterInfoName)));
  CO_TRY(bootstrap::verify_cluster_info(info, token, {}));
  co_return info;
}

// A token that has just been made is signed for a moment later, and the API server may still be starting.
Task<Result<ConfigMap>> ask_patiently(const Client& client, bootstrap::BootstrapTokenId token, Logger log) {
  for (std::string said;;) {
    auto info = co_await ask_cluster_info(client, token);
    if (info || info.error().code == Code::kCancelled) co_return info;
    if (info.error().message != std::exchange(said, info.error().message))
      log.warn("the cluster does not identify itself yet; trying again", {{"error", info.error()}});
    CO_TRY(co_await runtime::sleep_for(kDiscoveryPoll));
  }
}

}  // namespace

NodeJoin::NodeJoin(JoinOptions options, net::Resolver& resolver, Random& random, const Clock& clock,
                   Logger log)
    : options_(std::move(options)),
      resolver_(resolver),
      random_(random),
      clock_(clock),
      log_(std::move(log)) {}

Task<Result<ConnectionOptions>> NodeJoin::credentials() {
  CO_TRY(make_directories(options_.files.cert_dir));
  const auto known = client::load_kubeconfig(options_.files.kubeconfig);
  const bool has_certificate =
      bootstrap::load_node_certificate(options_.files.cert_dir, kClientBase, clock_.wall_now()).has_value();
  std::string server = known ? known->server : std::string();
  if (!known || !has_certificate) server = CO_TRY(co_await discover());
  if (!has_certificate) CO_TRY(co_await ask_for_certificate(server));
  const std::string pair = options_.files.client_pair();
  if (!known || known->server != server) {
    const bootstrap::Kubeconfig kubeconfig{.server = server,
                                           .ca = CO_TRY(read_file(options_.files.ca)),
                                           .user = "system:node:" + options_.node_name,
                                           .credential = {},
                                           .credential_file = pair,
                                           .token = {}};
    CO_TRY(write_file(options_.files.kubeconfig, bootstrap::render(kubeconfig), 0600));
  }
  ConnectionOptions options{.server = server, .tls = {}, .token = {}};
  options.tls.ca = net::PemSource::file(options_.files.ca);
  options.tls.identity = identity_of(pair);
  co_return options;
}

Task<Result<std::string>> NodeJoin::discover() {
  if (!options_.discovery_file.empty()) co_return discover_by_file();
  co_return co_await discover_by_token();
}

Result<std::string> NodeJoin::discover_by_file() const {
  const auto config = TRY(client::load_kubeconfig(options_.discovery_file));
  if (config.ca.empty())
    return fail(Code::kInvalid,
                "the discovery file {} has no certificate-authority-data to know the cluster by",
                options_.discovery_file);
  TRY(write_file(options_.files.ca, config.ca, 0644));
  return config.server;
}

Task<Result<std::string>> NodeJoin::discover_by_token() {
  const auto token = bootstrap::BootstrapTokenId::parse(options_.token);
  if (!token)
    co_return fail(
        Code::kInvalid,
        "this node has no certificate yet: --token is needed; make one with 'cloudless token create "
        "--print-join-command' where the control plane runs");
  if (options_.ca_pins.empty() && !options_.skip_ca_verification)
    co_return fail(Code::kInvalid,
                   "--discovery-token-ca-cert-hash is needed to know the cluster by; or "
                   "--discovery-token-unsafe-skip-ca-verification to trust whoever answers");
  ConnectionOptions unverified{.server = "https://" + options_.server, .tls = {}, .token = {}};
  unverified.tls.insecure_skip_verify = true;
  const auto connection = CO_TRY(Connection::make(std::move(unverified), resolver_, log_));
  const Client client(*connection);
  const auto info = co_await runtime::with_timeout(options_.discovery_limit, "the discovery of the cluster",
                                                   ask_patiently(client, *token, log_));
  co_await connection->stop();
  if (!info) co_return std::unexpected(info.error());
  const auto found = CO_TRY(bootstrap::verify_cluster_info(*info, *token, options_.ca_pins));
  CO_TRY(write_file(options_.files.ca, found.ca, 0644));
  log_.info("the cluster is who it says it is", {{"server", found.server}});
  co_return found.server;
}

Task<Result<>> NodeJoin::ask_for_certificate(std::string server) {
  const std::string& token = options_.bootstrap_token.empty() ? options_.token : options_.bootstrap_token;
  if (!bootstrap::BootstrapTokenId::parse(token))
    co_return fail(Code::kInvalid,
                   "a bootstrap token, ID.SECRET, is needed to ask for this node's certificate");
  ConnectionOptions as_token{.server = std::move(server), .tls = {}, .token = token};
  as_token.tls.ca = net::PemSource::file(options_.files.ca);
  const auto connection = CO_TRY(Connection::make(std::move(as_token), resolver_, log_));
  const Client client(*connection);
  const auto pem = co_await bootstrap::request_certificate(
      client, bootstrap::node_client_request(options_.node_name), random_, log_);
  co_await connection->stop();
  if (!pem) co_return std::unexpected(pem.error());
  co_return bootstrap::store_node_certificate(options_.files.cert_dir, kClientBase, *pem, clock_.wall_now());
}

pki::AltNames NodeJoin::names() const {
  pki::AltNames names;
  names.dns = {options_.node_name};
  names.ips = {options_.node_ip.to_string()};
  return names;
}

Result<bool> NodeJoin::has_serving_certificate() const {
  const WallTime now = clock_.wall_now();
  const auto pair = bootstrap::load_node_certificate(options_.files.cert_dir, kServerBase, now);
  if (!pair) return false;
  const auto ca = TRY(pki::Certificate::from_pem(TRY(read_file(options_.files.ca))));
  return !bootstrap::renewal_reason(pair->certificate, ca, names(), now);
}

Result<net::TlsServerOptions> NodeJoin::serving_options() {
  const WallTime now = clock_.wall_now();
  if (!bootstrap::load_node_certificate(options_.files.cert_dir, kServerBase, now)) {
    const auto key = TRY(pki::PrivateKey::generate(pki::KeyType::kEcdsaP256));
    const pki::CertificateSpec spec{.subject = {.common_name = options_.node_name, .organizations = {}},
                                    .alt_names = names(),
                                    .usages = {"digital signature", "server auth"},
                                    .not_before = now - pki::kBackdate,
                                    .not_after = now + kPlaceholderLifetime};
    const auto placeholder = TRY(pki::self_sign(spec, key));
    TRY(bootstrap::store_node_certificate(options_.files.cert_dir, kServerBase,
                                          placeholder.to_pem() + key.to_pem(), now));
  }
  net::TlsServerOptions options;
  options.identities = {identity_of(options_.files.serving_pair())};
  options.client_ca = net::PemSource::file(options_.files.ca);
  options.client_certificates = net::ClientCertificates::kOptional;
  return options;
}

Task<Result<>> NodeJoin::renew(const Client& client) {
  const std::string directory = options_.files.cert_dir;
  const auto own = bootstrap::load_node_certificate(directory, kClientBase, clock_.wall_now());
  if (!own || own->needs_renewal(clock_.wall_now())) {
    const std::string pem = CO_TRY(co_await bootstrap::request_certificate(
        client, bootstrap::node_client_request(options_.node_name), random_, log_));
    CO_TRY(bootstrap::store_node_certificate(directory, kClientBase, pem, clock_.wall_now()));
  }
  if (CO_TRY(has_serving_certificate())) co_return {};
  const std::string pem = CO_TRY(co_await bootstrap::request_certificate(
      client, bootstrap::node_serving_request(options_.node_name, names()), random_, log_));
  co_return bootstrap::store_node_certificate(directory, kServerBase, pem, clock_.wall_now());
}

}  // namespace cloudless::cli
