#include "cli/control_plane.hpp"

#include <chrono>

#include "api/core_v1.hpp"
#include "apiserver/encryption/encryption.hpp"
#include "apiserver/identity.hpp"
#include "apiserver/server.hpp"
#include "bootstrap/cluster_info.hpp"
#include "bootstrap/cluster_objects.hpp"
#include "bootstrap/kubeconfig.hpp"
#include "bootstrap/pki.hpp"
#include "bootstrap/signer.hpp"
#include "cli/files.hpp"
#include "cli/gossip_secret.hpp"
#include "cli/node_connector.hpp"
#include "controllers/controller_manager.hpp"
#include "dns/cluster_service.hpp"
#include "dns/dns.hpp"
#include "lb/lb.hpp"
#include "net/in_process.hpp"
#include "net/server.hpp"
#include "runtime/timer.hpp"
#include "runtime/worker_pool.hpp"
#include "scheduler/scheduler.hpp"
#include "store/open.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

constexpr Duration kDrain = std::chrono::seconds(2);
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
  runtime::LoopThread api_thread{"apiserver"};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<apiserver::encryption::Encryption> encryption;
  std::unique_ptr<apiserver::ApiServer> server;
  std::unique_ptr<apiserver::Identity> identity;
  std::unique_ptr<net::Server> listener;
  std::unique_ptr<net::InProcessTransport> transport;
  std::unique_ptr<client::Client> client;
  std::unique_ptr<runtime::TaskScope> scope;
  std::unique_ptr<client::Informers> informers;
  std::unique_ptr<controllers::ControllerManager> controllers;
  std::unique_ptr<scheduler::Scheduler> scheduler;
  std::unique_ptr<lb::LoadBalancerController> load_balancer;
  std::unique_ptr<dns::ClusterService> cluster_dns;
  std::unique_ptr<bootstrap::BootstrapSigner> signer;

  Result<> open_store();
  Result<> make_server();
  Result<> listen();
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
  TRY(ensure_credentials(parts_->options, parts_->loop.clock().wall_now()));
  TRY(parts_->open_store());
  return parts_->make_server();
}

Result<> ControlPlane::Parts::open_store() {
  store::Options wanted;
  wanted.endpoint = options.store_endpoint;
  if (wanted.endpoint.empty()) {
    TRY(make_directories(options.data_dir + "/db"));
    wanted.endpoint = "sqlite://" + options.data_dir + "/db/state.db";
  }
  store = TRY(store::open_store(std::move(wanted), loop.clock(), random, log.named("store")));
  return {};
}

Result<> ControlPlane::Parts::make_server() {
  apiserver::ServerOptions wanted;
  wanted.service_cidr = options.service_cidrs.front().to_string();
  wanted.advertise_address = options.advertise_address.to_string();
  wanted.advertise_port = options.secure_port;
  encryption = std::make_unique<apiserver::encryption::Encryption>(
      TRY(apiserver::encryption::load_or_make_configuration(options.data_dir + "/encryption.yaml", random)),
      wanted.storage_root);
  server = std::make_unique<apiserver::ApiServer>(wanted, *store, api_thread.loop(), encryption.get(),
                                                  loop.clock(), random, registry, log.named("apiserver"));
  apiserver::IdentityOptions who;
  who.issuers = {"https://kubernetes.default.svc." + options.cluster_domain};
  who.signing_key = TRY(pki::PrivateKey::from_pem(TRY(read_file(options.pki_dir() + "/sa.key"))));
  identity = std::make_unique<apiserver::Identity>(std::move(who), server->objects(), loop.clock(), random,
                                                   log.named("apiserver"));
  apiserver::Pipeline pipeline = identity->pipeline();
  pipeline.nodes = std::make_shared<HttpNodeConnector>(
      net::TlsClientOptions{
          .ca = net::PemSource::file(options.pki_dir() + "/ca.crt"),
          .identity = {net::PemSource::file(options.pki_dir() + "/apiserver-kubelet-client.crt"),
                       net::PemSource::file(options.pki_dir() + "/apiserver-kubelet-client.key")},
          .server_name = {}},
      workers, log.named("apiserver"));
  server->set_pipeline(std::move(pipeline));
  return listen();
}

Result<> ControlPlane::Parts::listen() {
  net::ServerOptions wanted;
  wanted.address = {options.advertise_address.is_v6() ? net::IpAddress::any_v6() : net::IpAddress::any_v4(),
                    options.secure_port};
  net::TlsServerOptions tls;
  tls.identities = {{net::PemSource::file(options.pki_dir() + "/apiserver.crt"),
                     net::PemSource::file(options.pki_dir() + "/apiserver.key")}};
  tls.client_ca = net::PemSource::file(options.pki_dir() + "/ca.crt");
  tls.client_certificates = net::ClientCertificates::kOptional;
  wanted.tls = TRY(net::TlsServerConfig::make(std::move(tls), log));
  listener = std::make_unique<net::Server>(std::vector{&api_thread.loop()}, std::move(wanted),
                                           server->handler(), log.named("apiserver"));
  return {};
}

Task<Result<>> ControlPlane::start() {
  CO_TRY(co_await parts_->start_server());
  CO_TRY(co_await parts_->ensure_objects());
  co_return co_await parts_->start_roles();
}

Task<Result<>> ControlPlane::Parts::start_server() {
  CO_TRY(co_await server->start());
  CO_TRY(co_await identity->bootstrap());
  CO_TRY(listener->start());
  transport =
      std::make_unique<net::InProcessTransport>(api_thread.loop(), server->handler(), "system:cloudless",
                                                std::vector<std::string>{"system:masters"}, log);
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
  CO_TRY(co_await ensure_gossip_secret(*client, random));
  co_return co_await dns::Dns::install_crd(*client);
}

Task<Result<>> ControlPlane::Parts::start_roles() {
  controllers::ControllerManagerOptions wanted;
  for (const net::Prefix& prefix : options.pod_cidrs) wanted.node_ipam.cluster_cidrs.push_back(prefix);
  wanted.root_ca = CO_TRY(read_file(options.pki_dir() + "/ca.crt"));
  wanted.cluster_signing_ca = CO_TRY(bootstrap::load_ca(options.pki_dir(), "ca"));
  controllers = std::make_unique<controllers::ControllerManager>(std::move(wanted), *client, *informers, loop,
                                                                 random, log.named("controllers"));
  CO_TRY(co_await controllers->start());
  scheduler = std::make_unique<scheduler::Scheduler>(scheduler::SchedulerOptions(), *client, *informers, loop,
                                                     random, log.named("scheduler"));
  CO_TRY(co_await scheduler->start());
  load_balancer = std::make_unique<lb::LoadBalancerController>(
      lb::LoadBalancerOptions{.node_name = options.node_name}, *informers, loop, random, log.named("lb"));
  CO_TRY(co_await load_balancer->start());
  cluster_dns = std::make_unique<dns::ClusterService>(
      dns::ClusterServiceOptions{.address = options.cluster_dns}, *informers, loop, random, log.named("dns"));
  cluster_dns->start();
  signer = std::make_unique<bootstrap::BootstrapSigner>(*informers, loop, random, log.named("bootstrap"));
  signer->start();
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
  if (parts.signer) co_await parts.signer->stop();
  if (parts.cluster_dns) co_await parts.cluster_dns->stop();
  if (parts.load_balancer) co_await parts.load_balancer->stop();
  if (parts.scheduler) co_await parts.scheduler->stop();
  if (parts.controllers) co_await parts.controllers->stop();
  if (parts.scope) {
    parts.scope->cancel();
    co_await parts.scope->join();
  }
  if (parts.informers) co_await parts.informers->stop();
  if (parts.transport) co_await parts.transport->stop();
  if (parts.listener) co_await parts.listener->stop(kDrain);
  if (parts.server) co_await parts.server->stop();
}

client::Client& ControlPlane::client() { return *parts_->client; }
client::Informers& ControlPlane::informers() { return *parts_->informers; }

Task<Result<std::string>> ControlPlane::gossip_secret() { return read_gossip_secret(*parts_->client); }

void ControlPlane::set_dead_nodes(const std::set<std::string>& nodes) {
  parts_->controllers->set_dead_nodes(nodes);
}

}  // namespace cloudless::cli
