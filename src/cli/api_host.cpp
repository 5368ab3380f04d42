#include "cli/api_host.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "apiserver/audit/log_auditor.hpp"
#include "apiserver/authn/static_token.hpp"
#include "apiserver/encryption/encryption.hpp"
#include "base/files.hpp"
#include "cli/node_connector.hpp"
#include "net/server.hpp"
#include "pki/certificate.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/timer.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

// As kube-apiserver's: selectors may be long, and so may what impersonates.
constexpr size_t kMaxHeaderBytes = size_t{1} << 20;
constexpr Duration kDrain = std::chrono::seconds(2);
constexpr std::chrono::hours kSelfSignedLifetime{24 * 365};
// How long a store that does not answer is waited for at the start, and how often it is asked.
constexpr Duration kStoreWait = std::chrono::seconds(60);
constexpr Duration kStoreRetry = std::chrono::milliseconds(500);

Result<std::vector<pki::Certificate>> read_bundle(const std::string& path) {
  if (path.empty()) return std::vector<pki::Certificate>();
  auto bundle = pki::Certificate::bundle_from_pem(TRY(read_file(path)));
  if (!bundle) return wrap(bundle.error(), "{}", path);
  return bundle;
}

Result<apiserver::authn::RequestHeaderOptions> proxies_of(const FrontProxyFiles& files) {
  return apiserver::authn::RequestHeaderOptions{.client_ca = TRY(read_bundle(files.client_ca)),
                                                .allowed_names = files.allowed_names,
                                                .username_headers = files.username_headers,
                                                .uid_headers = files.uid_headers,
                                                .group_headers = files.group_headers,
                                                .extra_header_prefixes = files.extra_header_prefixes};
}

// As upstream's cluster_authentication_trust_controller writes it.
Result<std::map<std::string, std::string>> extension_authentication(const ApiHostOptions& options) {
  std::map<std::string, std::string> data;
  if (!options.client_ca.empty()) data["client-ca-file"] = TRY(read_file(options.client_ca));
  const FrontProxyFiles& proxy = options.front_proxy;
  if (proxy.client_ca.empty()) return data;
  const auto list = [](const std::vector<std::string>& texts) {
    return boost::json::serialize(boost::json::array(texts.begin(), texts.end()));
  };
  data["requestheader-client-ca-file"] = TRY(read_file(proxy.client_ca));
  data["requestheader-allowed-names"] = list(proxy.allowed_names);
  data["requestheader-username-headers"] = list(proxy.username_headers);
  data["requestheader-uid-headers"] = list(proxy.uid_headers);
  data["requestheader-group-headers"] = list(proxy.group_headers);
  data["requestheader-extra-headers-prefix"] = list(proxy.extra_header_prefixes);
  return data;
}

Result<apiserver::IdentityOptions> identity_of(const ApiHostOptions& options) {
  apiserver::IdentityOptions who;
  who.issuers = options.issuers;
  who.api_audiences = options.api_audiences;
  auto key = pki::PrivateKey::from_pem(TRY(read_file(options.signing_key_file)));
  if (!key) return wrap(key.error(), "{}", options.signing_key_file);
  who.signing_key = std::move(*key);
  for (const std::string& path : options.verification_key_files) {
    auto keys = pki::PublicKey::bundle_from_pem(TRY(read_file(path)));
    if (!keys) return wrap(keys.error(), "{}", path);
    std::ranges::move(*keys, std::back_inserter(who.verification_keys));
  }
  if (!options.token_file.empty()) {
    auto users = apiserver::authn::parse_token_file(TRY(read_file(options.token_file)));
    if (!users) return wrap(users.error(), "{}", options.token_file);
    who.static_tokens = std::move(*users);
  }
  who.anonymous = options.anonymous;
  who.bootstrap_tokens = options.bootstrap_tokens;
  who.request_header = TRY(proxies_of(options.front_proxy));
  who.client_ca = TRY(read_bundle(options.client_ca));
  who.authorization = options.authorization;
  who.admission = options.admission;
  if (const std::string& file = options.admission_config_file; !file.empty()) {
    const Result<> applied =
        apiserver::admission::apply_configuration(TRY(read_file(file)), who.admission);
    if (!applied) return wrap(applied.error(), "{}", file);
  }
  who.max_token_life = options.max_token_life;
  who.extend_token_life = options.extend_token_life;
  return who;
}

// For a server that was given no certificate: one that signs itself, kept for the next start.
Result<CertificateFiles> ensure_self_signed(const ApiHostOptions& options, WallTime now) {
  CertificateFiles files{options.certificate_directory + "/apiserver.crt",
                         options.certificate_directory + "/apiserver.key"};
  const auto present = read_file(files.certificate);
  if (present && read_file(files.key)) {
    const auto certificate = pki::Certificate::from_pem(*present);
    if (certificate && certificate->not_after() > now) return files;
  }
  const auto key = TRY(pki::PrivateKey::generate(pki::KeyType::kEcdsaP256));
  pki::CertificateSpec spec{
      .subject = {.common_name = "cloudless-apiserver", .organizations = {}},
      .alt_names = {.dns = {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
                    .ips = {"127.0.0.1"}},
      .usages = {"digital signature", "key encipherment", "server auth"},
      .not_before = now - pki::kBackdate,
      .not_after = now + kSelfSignedLifetime};
  for (const std::string& name : options.serving_names) {
    (net::IpAddress::parse(name) ? spec.alt_names.ips : spec.alt_names.dns).push_back(name);
  }
  const pki::Certificate certificate = TRY(pki::self_sign(spec, key));
  TRY(write_file(files.key, key.to_pem(), 0600));
  TRY(write_file(files.certificate, certificate.to_pem(), 0644));
  return files;
}

net::TlsIdentity identity_of(const CertificateFiles& files) {
  return {net::PemSource::file(files.certificate), net::PemSource::file(files.key)};
}

Result<net::TlsServerOptions> serving_tls(const ApiHostOptions& options, WallTime now) {
  net::TlsServerOptions tls;
  for (const CertificateFiles& files : options.serving) tls.identities.push_back(identity_of(files));
  if (tls.identities.empty()) tls.identities = {identity_of(TRY(ensure_self_signed(options, now)))};
  const std::string& proxies = options.front_proxy.client_ca;
  if (options.client_ca.empty() && proxies.empty()) return tls;
  tls.client_certificates = net::ClientCertificates::kOptional;
  if (options.client_ca.empty() || proxies.empty() || proxies == options.client_ca) {
    tls.client_ca = net::PemSource::file(options.client_ca.empty() ? proxies : options.client_ca);
  } else {
    tls.client_ca =
        net::PemSource::inline_text(TRY(read_file(options.client_ca)) + "\n" + TRY(read_file(proxies)));
  }
  return tls;
}

Result<std::shared_ptr<apiserver::Auditor>> make_auditor(const AuditOptions& options,
                                                         metrics::Registry& registry, const Logger& log) {
  constexpr size_t kMegabyte = 1024 * 1024;
  if (options.log_path.empty() || options.policy_file.empty()) return nullptr;
  auto policy = apiserver::audit::parse_policy(TRY(read_file(options.policy_file)));
  if (!policy) return wrap(policy.error(), "{}", options.policy_file);
  const apiserver::audit::LogOptions wanted{
      .path = options.log_path,
      .max_bytes = static_cast<size_t>(options.max_megabytes) * kMegabyte,
      .max_backups = static_cast<int>(options.max_backups),
      .max_age = std::chrono::hours(24 * options.max_days)};
  return std::make_shared<apiserver::audit::LogAuditor>(std::move(*policy), wanted, registry,
                                                        log.named("audit"));
}

}  // namespace

struct ApiHost::Parts {
  ApiHostOptions options;
  const Clock& clock;
  Random& random;
  metrics::Registry& registry;
  Logger log;

  // In the order of construction: what stands later uses what stands before.
  runtime::WorkerPool workers{"api-worker", 2, 1000};
  runtime::LoopThread thread{"apiserver"};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<apiserver::encryption::Encryption> encryption;
  std::unique_ptr<apiserver::ApiServer> server;
  std::unique_ptr<apiserver::Identity> identity;
  std::unique_ptr<net::Server> listener;

  Result<> make_encryption();
  Result<> make_server();
  Result<> make_listener();
  Task<Result<>> wait_for_store();
};

ApiHost::ApiHost(ApiHostOptions options, const Clock& clock, Random& random, metrics::Registry& registry,
                 Logger log)
    : parts_(new Parts{std::move(options), clock, random, registry, std::move(log)}) {}

ApiHost::~ApiHost() = default;

Result<> ApiHost::prepare() {
  Parts& parts = *parts_;
  TRY(parts.make_encryption());
  parts.store = TRY(open_datastore(parts.options.datastore, parts.clock, parts.random, parts.log));
  TRY(parts.make_server());
  return parts.make_listener();
}

Result<> ApiHost::Parts::make_encryption() {
  namespace encryption_part = apiserver::encryption;
  if (options.encryption_file.empty()) return {};
  auto configuration = options.encryption == ApiHostOptions::Encryption::kMadeWhereMissing
                           ? encryption_part::load_or_make_configuration(options.encryption_file, random)
                           : encryption_part::parse_configuration(TRY(read_file(options.encryption_file)));
  if (!configuration) return wrap(configuration.error(), "{}", options.encryption_file);
  encryption =
      std::make_unique<encryption_part::Encryption>(std::move(*configuration), options.server.storage_root);
  return {};
}

Result<> ApiHost::Parts::make_server() {
  options.server.extension_authentication = TRY(extension_authentication(options));
  if (is_shared_datastore(options.datastore.endpoint))
    options.server.store_users = apiserver::ServerOptions::StoreUsers::kSeveralServers;
  server = std::make_unique<apiserver::ApiServer>(options.server, *store, thread.loop(), encryption.get(),
                                                  clock, random, registry, log.named("apiserver"));
  identity = std::make_unique<apiserver::Identity>(TRY(identity_of(options)), server->objects(), clock,
                                                   random, log.named("apiserver"));
  apiserver::Pipeline pipeline = identity->pipeline();
  net::TlsClientOptions nodes{.ca = net::PemSource::file(options.node_ca),
                              .identity = identity_of(options.node_client),
                              .server_name = {},
                              .insecure_skip_verify = options.node_ca.empty()};
  pipeline.nodes =
      std::make_shared<HttpNodeConnector>(std::move(nodes), identity_of(options.front_proxy.client),
                                          options.node_address_types, workers, log.named("apiserver"));
  pipeline.components = options.components;
  pipeline.auditor = TRY(make_auditor(options.audit, registry, log));
  server->set_pipeline(std::move(pipeline));
  return {};
}

Result<> ApiHost::Parts::make_listener() {
  net::ServerOptions wanted;
  wanted.address = {options.bind_address, options.secure_port};
  wanted.limits.streams = options.streams_per_connection;
  wanted.limits.header_bytes = kMaxHeaderBytes;
  wanted.tls = TRY(net::TlsServerConfig::make(TRY(serving_tls(options, clock.wall_now())), log));
  listener = std::make_unique<net::Server>(std::vector{&thread.loop()}, std::move(wanted), server->handler(),
                                           log.named("apiserver"));
  return {};
}

// A remote etcd may start at the same moment, as under a node agent that starts both.
Task<Result<>> ApiHost::Parts::wait_for_store() {
  const SteadyTime end = clock.steady_now() + kStoreWait;
  for (;;) {
    const Result<store::Status> status = co_await store->status();
    if (status) co_return {};
    if (status.error().code != Code::kUnavailable || clock.steady_now() >= end)
      co_return wrap(status.error(), "the store does not answer");
    // The endpoint may hold a password.
    log.info("waiting for the store", {{"error", status.error()}});
    CO_TRY(co_await runtime::sleep_for(kStoreRetry));
  }
}

Task<Result<>> ApiHost::start() {
  Parts& parts = *parts_;
  CO_TRY(co_await parts.wait_for_store());
  CO_TRY(co_await parts.server->start());
  CO_TRY(co_await parts.identity->bootstrap());
  CO_TRY(parts.listener->start());
  co_return {};
}

Task<void> ApiHost::stop() {
  Parts& parts = *parts_;
  if (parts.listener) co_await parts.listener->stop(kDrain);
  if (parts.server) co_await parts.server->stop();
}

std::unique_ptr<net::InProcessTransport> ApiHost::transport(std::string user,
                                                            std::vector<std::string> groups) {
  return std::make_unique<net::InProcessTransport>(parts_->thread.loop(), parts_->server->handler(),
                                                   std::move(user), std::move(groups), parts_->log);
}

uint16_t ApiHost::port() const { return parts_->listener->port(); }

}  // namespace cloudless::cli
