#include "cli/control_plane.hpp"

#include <chrono>

#include "api/core_v1.hpp"
#include "bootstrap/cluster_info.hpp"
#include "bootstrap/cluster_objects.hpp"
#include "bootstrap/kubeconfig.hpp"
#include "bootstrap/pki.hpp"
#include "cli/control_roles.hpp"
#include "cli/files.hpp"
#include "cli/gossip_secret.hpp"
#include "dns/dns.hpp"
#include "net/in_process.hpp"
#include "runtime/timer.hpp"
#include "runtime/worker_pool.hpp"
#include "scheduler/scheduler.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

// How often certificates are looked at; each is renewed when a third of its life is left (bootstrap/pki.hpp).
constexpr Duration kRenewalCheck = std::chrono::hours(12);

std::vector<std::string> to_strings(const std::vector<net::Prefix>& prefixes) {
  std::vector<std::string> texts;
  for (const net::Prefix& prefix : prefixes) texts.push_back(prefix.to_string());
  return texts;
}

bootstrap::PkiOptions pki_options(const ControlPlaneOptions& options) {
  bootstrap::PkiOptions out;
  out.directory = options.pki_dir();
  out.node_name = options.node_name;
  out.advertise_address = options.advertise_address.to_string();
  out.service_subnet = fmt::format("{}", fmt::join(to_strings(options.service_cidrs), ","));
  out.dns_domain = options.cluster_domain;
  out.extra_sans = options.extra_sans;
  // People on this machine use the loopback address.
  out.extra_sans.insert(out.extra_sans.end(), {"localhost", "127.0.0.1"});
  return out;
}

Result<> ensure_credentials(const ControlPlaneOptions& options, WallTime now) {
  TRY(make_directories(options.pki_dir()));
  TRY(bootstrap::ensure_pki(pki_options(options), now));
  const pki::Ca ca = TRY(bootstrap::load_ca(options.pki_dir(), "ca"));
  const bootstrap::KubeconfigOptions kubeconfigs{.directory = options.data_dir,
                                                 .server = options.server_url()};
  for (const bootstrap::KubeconfigSpec& spec : bootstrap::kubeconfig_specs(options.node_name)) {
    if (spec.file != "admin.conf") continue;
    TRY(bootstrap::ensure_kubeconfig(kubeconfigs, spec, ca, now));
  }
  return {};
}

ApiHostOptions api_options(const ControlPlaneOptions& options) {
  const auto pki = [&](std::string_view file) { return fmt::format("{}/{}", options.pki_dir(), file); };
  const auto pair = [&](std::string_view base) {
    return CertificateFiles{pki(fmt::format("{}.crt", base)), pki(fmt::format("{}.key", base))};
  };
  ApiHostOptions out;
  out.datastore = options.datastore;
  if (out.datastore.endpoint.empty())
    out.datastore.endpoint = "sqlite://" + options.data_dir + "/db/state.db";
  out.server.service_cidr = fmt::format("{}", fmt::join(to_strings(options.service_cidrs), ","));
  out.server.advertise_address = options.advertise_address.to_string();
  out.server.advertise_port = options.secure_port;
  out.bind_address = options.advertise_address.is_v6() ? net::IpAddress::any_v6() : net::IpAddress::any_v4();
  out.secure_port = options.secure_port;
  out.serving = {pair("apiserver")};
  out.client_ca = pki("ca.crt");
  out.issuers = {"https://kubernetes.default.svc." + options.cluster_domain};
  out.signing_key_file = pki("sa.key");
  out.front_proxy = {.client_ca = pki("front-proxy-ca.crt"),
                     .allowed_names = {"front-proxy-client"},
                     .username_headers = {"X-Remote-User"},
                     .uid_headers = {"X-Remote-Uid"},
                     .group_headers = {"X-Remote-Group"},
                     .extra_header_prefixes = {"X-Remote-Extra-"},
                     .client = pair("front-proxy-client")};
  out.node_client = pair("apiserver-kubelet-client");
  out.node_ca = pki("ca.crt");
  out.encryption_file = options.data_dir + "/encryption.yaml";
  out.encryption = ApiHostOptions::Encryption::kMadeWhereMissing;
  out.audit = options.audit;
  out.components = {{"controller-manager"}, {"scheduler"}};
  return out;
}

// What a joining node reads: the networks, the domain and the API's address.
std::vector<bootstrap::ClusterObject> published_configuration(const ControlPlaneOptions& options) {
  api::kubeadm::v1beta4::ClusterConfiguration cluster;
  cluster.controlPlaneEndpoint =
      net::join_host_port(options.advertise_address.to_string(), options.secure_port);
  auto& networking = cluster.networking;
  networking.podSubnet = fmt::format("{}", fmt::join(to_strings(options.pod_cidrs), ","));
  networking.serviceSubnet = fmt::format("{}", fmt::join(to_strings(options.service_cidrs), ","));
  networking.dnsDomain = options.cluster_domain;
  return bootstrap::configuration_objects(
      cluster, fmt::format(R"({{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration",)"
                           R"("clusterDNS":["{}"],"clusterDomain":"{}"}})",
                           options.cluster_dns.to_string(), options.cluster_domain));
}

}  // namespace

std::string ControlPlaneOptions::server_url() const {
  return "https://" + net::join_host_port(advertise_address.to_string(), secure_port);
}

struct ControlPlane::Parts {
  ControlPlaneOptions options;
  runtime::EventLoop& loop;
  Random& random;
  metrics::Registry& registry;
  Logger log;

  // In the order of construction: what stands later uses what stands before.
  runtime::WorkerPool workers{"control-worker", 2, 1000};
  std::unique_ptr<ApiHost> api;
  std::unique_ptr<net::InProcessTransport> transport;
  std::unique_ptr<client::Client> client;
  std::unique_ptr<runtime::TaskScope> scope;
  std::unique_ptr<client::Informers> informers;
  std::unique_ptr<ControlRoles> roles;
  std::unique_ptr<scheduler::Scheduler> scheduler;

  Task<Result<>> start_server();
  Task<Result<>> ensure_objects();
  Task<Result<>> start_roles();
  Task<void> renew_certificates();
};

ControlPlane::ControlPlane(ControlPlaneOptions options, runtime::EventLoop& loop, Random& random,
                           metrics::Registry& registry, Logger log)
    : parts_(new Parts{std::move(options), loop, random, registry, std::move(log)}) {}

ControlPlane::~ControlPlane() = default;

Result<> ControlPlane::prepare() {
  Parts& parts = *parts_;
  TRY(ensure_credentials(parts.options, parts.loop.clock().wall_now()));
  TRY(make_directories(parts.options.data_dir + "/db"));
  parts.api = std::make_unique<ApiHost>(api_options(parts.options), parts.loop.clock(), parts.random,
                                        parts.registry, parts.log);
  return parts.api->prepare();
}

Task<Result<>> ControlPlane::start() {
  CO_TRY(co_await parts_->start_server());
  CO_TRY(co_await parts_->ensure_objects());
  co_return co_await parts_->start_roles();
}

Task<Result<>> ControlPlane::Parts::start_server() {
  CO_TRY(co_await api->start());
  transport = api->transport("system:cloudless", {"system:masters"});
  client =
      std::make_unique<client::Client>(*transport, client::Client::Options{.user_agent = "cloudless/up"});
  scope = std::make_unique<runtime::TaskScope>(loop, log);
  informers = std::make_unique<client::Informers>(*client, loop, random, log.named("informers"));
  co_return {};
}

Task<Result<>> ControlPlane::Parts::ensure_objects() {
  CO_TRY(co_await bootstrap::ensure_objects(*client, bootstrap::admin_objects()));
  CO_TRY(co_await bootstrap::ensure_objects(*client, bootstrap::join_objects()));
  CO_TRY(co_await bootstrap::ensure_objects(*client, bootstrap::node_role_objects()));
  CO_TRY(co_await bootstrap::ensure_objects(*client, published_configuration(options)));
  CO_TRY(co_await bootstrap::ensure_cluster_info(*client, options.server_url(),
                                                 CO_TRY(read_file(options.pki_dir() + "/ca.crt"))));
  CO_TRY(co_await ensure_gossip_secret(*client, make_gossip_secret(random)));
  co_return co_await dns::Dns::install_crd(*client);
}

Task<Result<>> ControlPlane::Parts::start_roles() {
  ControlRolesOptions wanted{
      .node_name = options.node_name, .controllers = {}, .cluster_dns = options.cluster_dns};
  for (const net::Prefix& prefix : options.pod_cidrs)
    wanted.controllers.node_ipam.cluster_cidrs.push_back(prefix);
  wanted.controllers.root_ca = CO_TRY(read_file(options.pki_dir() + "/ca.crt"));
  const std::string token_key = CO_TRY(read_file(options.pki_dir() + "/sa.key"));
  wanted.controllers.mint_token = token_minter(CO_TRY(pki::PrivateKey::from_pem(token_key)));
  wanted.controllers.cluster_signing_ca = CO_TRY(bootstrap::load_ca(options.pki_dir(), "ca"));
  roles = std::make_unique<ControlRoles>(std::move(wanted), *client, *informers, loop, random, log);
  CO_TRY(co_await roles->start());
  scheduler = std::make_unique<scheduler::Scheduler>(scheduler::SchedulerOptions(), *client, *informers, loop,
                                                     random, log.named("scheduler"));
  CO_TRY(co_await scheduler->start());
  scope->spawn(renew_certificates());
  co_return {};
}

Task<void> ControlPlane::Parts::renew_certificates() {
  while (co_await runtime::sleep_for(kRenewalCheck)) {
    const auto renewed = co_await workers.run(
        [wanted = options, now = loop.clock().wall_now()] { return ensure_credentials(wanted, now); });
    if (!renewed) log.error("certificates could not be renewed; trying again", {{"error", renewed.error()}});
  }
}

Task<void> ControlPlane::stop() {
  Parts& parts = *parts_;
  if (parts.scheduler) co_await parts.scheduler->stop();
  if (parts.roles) co_await parts.roles->stop();
  if (parts.scope) {
    parts.scope->cancel();
    co_await parts.scope->join();
  }
  if (parts.informers) co_await parts.informers->stop();
  if (parts.transport) co_await parts.transport->stop();
  if (parts.api) co_await parts.api->stop();
}

client::Client& ControlPlane::client() { return *parts_->client; }
client::Informers& ControlPlane::informers() { return *parts_->informers; }

Task<Result<std::string>> ControlPlane::gossip_secret() { return read_gossip_secret(*parts_->client); }

void ControlPlane::set_dead_nodes(const std::set<std::string>& nodes) {
  parts_->roles->set_dead_nodes(nodes);
}

}  // namespace cloudless::cli
