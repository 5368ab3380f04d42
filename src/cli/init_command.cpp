// `cloudless init`: the first control-plane node of a cluster, as `kubeadm init` makes it: certificates,
// kubeconfigs and static manifests below /etc/kubernetes, a node agent that runs them, and what a cluster
// holds from its first day on. This process is then the node's agent; `kubelet` runs it again.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "apiserver/encryption/encryption.hpp"
#include "cli/cluster_bootstrap.hpp"
#include "cli/cluster_facts.hpp"
#include "cli/command.hpp"
#include "cli/control_plane_node.hpp"
#include "cli/dry_run.hpp"
#include "cli/files.hpp"
#include "cli/gossip_secret.hpp"
#include "cli/init_plan.hpp"
#include "cli/kubelet_flags.hpp"
#include "cli/node_address.hpp"
#include "cli/preflight.hpp"
#include "cli/shared_certificates.hpp"
#include "cli/upload_certificates.hpp"
#include "schema/yaml.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

constexpr mode_t kPublicMode = 0644;
constexpr mode_t kSecretMode = 0600;

Result<InitPlan> make_plan(const InitFlags& flags, Random& random, WallTime now) {
  bootstrap::Documents documents;
  if (!flags.config.empty())
    documents = TRY(bootstrap::read_documents(TRY(read_file(flags.config)), flags.config));
  return plan_init(flags, std::move(documents), detect_machine(), random, now);
}

Result<> check_machine(const InitPlan& plan, const Logger& log) {
  return run_preflight(bootstrap::init_needs(plan.preflight), plan.ignored_checks, log);
}

// What the agent and the static pods find when they start.
struct InitFiles {
  ControlPlaneFiles control_plane;
  ClusterFacts facts;
};

Result<InitFiles> write_files(const InitPlan& plan, Random& random, WallTime now, const Logger& log) {
  InitFiles files;
  files.control_plane = TRY(control_plane_files(plan.layout, plan.configuration));
  log.info("[certs] and [kubeconfig]",
           {{"certificates", plan.layout.pki_dir()}, {"kubeconfigs", plan.layout.kubernetes_dir}});
  TRY(ensure_files(files.control_plane, now));
  TRY(apiserver::encryption::load_or_make_configuration(plan.layout.pki_dir() + "/encryption.yaml", random));
  TRY(ensure_node_credentials(plan.layout.node_files(), files.control_plane, now));

  const auto& networking = plan.configuration.cluster.networking;
  files.facts = {.pod_cidrs = TRY(parse_subnets(networking.podSubnet)),
                 .service_cidrs = TRY(parse_subnets(networking.serviceSubnet)),
                 .domain = networking.dnsDomain,
                 .gossip_secret = make_gossip_secret(random)};
  TRY(store_facts(plan.layout.facts(), files.facts));
  TRY(write_file(plan.layout.control_plane(), encode_configuration(plan.configuration), kSecretMode));
  log.info("[kubelet-start]", {{"configuration", plan.layout.kubelet_config()}});
  TRY(write_file(plan.layout.kubelet_config(),
                 schema::serialize_yaml(TRY(schema::parse_yaml(plan.kubelet_configuration))), kPublicMode));
  TRY(write_file(plan.layout.kubelet_flags(), TRY(encode_flags_file(plan.kubelet_arguments)), kPublicMode));
  if (!plan.configuration.cluster.etcd.external) TRY(make_directories(plan.layout.store_dir()));
  return files;
}

// Runs inside the started agent: waits for the API server that it has started, and tells it the rest.
class Initialization {
 public:
  Initialization(InitPlan plan, InitFlags flags, InitFiles files, Logger log)
      : plan_(std::move(plan)), flags_(std::move(flags)), files_(std::move(files)), log_(std::move(log)) {}

  Task<Result<std::string>> run(net::Resolver& resolver) {
    const auto config = CO_TRY(client::load_kubeconfig(plan_.layout.kubernetes_dir + "/super-admin.conf"));
    const auto connection = CO_TRY(
        client::Connection::make(CO_TRY(client::connection_options(config)), resolver, log_.named("client")));
    const client::Client client(*connection, {.user_agent = "cloudless/init"});
    log_.info("[wait-control-plane] waiting for the static pods",
              {{"limit", format_duration(kControlPlaneLimit)}});
    Result<> done = co_await wait_for_api(client, kControlPlaneLimit);
    if (done) done = co_await bootstrap_cluster(client, bootstrap_plan(config.ca), log_);
    if (done && !plan_.certificate_key.empty()) done = co_await upload_certificates(client);
    co_await connection->stop();
    if (!done) co_return std::unexpected(done.error());
    const auto ca = CO_TRY(pki::Certificate::from_pem(config.ca));
    const Withheld withheld{.token = flags_.skip_token_print,
                            .certificate_key = flags_.skip_certificate_key_print};
    co_return init_message(plan_, ca.public_key_pin(), withheld);
  }

 private:
  Task<Result<>> upload_certificates(const client::Client& client) {
    log_.info("[upload-certs] storing the shared certificates",
              {{"secret", kCertificatesSecret}, {"for", format_duration(kCertificatesLifetime)}});
    auto sealed = CO_TRY(seal_values(CO_TRY(read_shared_values(plan_.layout, plan_.configuration.cluster)),
                                     plan_.certificate_key));
    SystemRandom random;
    co_return co_await upload_shared_values(client, std::move(sealed), random, SystemClock().wall_now());
  }

  ClusterBootstrap bootstrap_plan(const std::string& ca) const {
    return {.configuration = plan_.configuration,
            .kubelet_configuration = plan_.kubelet_configuration,
            .ca = ca,
            .gossip_secret = files_.facts.gossip_secret,
            .tokens = plan_.tokens,
            .further = plan_.further,
            .file = flags_.config};
  }

  const InitPlan plan_;
  const InitFlags flags_;
  const InitFiles files_;
  Logger log_;
};

Result<> init(const InitFlags& flags, const InitPlan& plan, const Logger& log, const ReadyReport& ready) {
  SystemRandom random;
  const WallTime now = SystemClock().wall_now();
  TRY(check_machine(plan, log));
  InitFiles files = TRY(write_files(plan, random, now, log));
  const ControlPlaneImage image(plan.layout.data_dir);
  TRY(image.write());
  TRY(write_manifests(plan.layout, plan.configuration, log));
  NodeProgramOptions options = TRY(kubelet_options(TRY(parse_kubelet_flags(plan.kubelet_arguments)), log));
  options.agent.image_archives.push_back(image.path());
  options.waits_for_ready = true;
  Initialization initialization(plan, flags, std::move(files), log);
  return NodeProgram(std::move(options), log).run(ready, [&initialization](net::Resolver& resolver, Random&) {
    return initialization.run(resolver);
  });
}

int run_dry(const InitPlan& plan) {
  const Result<> checked = check_machine(plan, plan.node.log.make_logger());
  fmt::print("{}", describe(plan));
  return checked ? kSuccess : report_failure(checked.error());
}

int run_init(const InitFlags& flags) {
  if (geteuid() != 0)
    return report_failure({Code::kPermissionDenied, "this command needs root: user is not running as root"});
  SystemRandom random;
  const auto plan = make_plan(flags, random, SystemClock().wall_now());
  if (!plan) return report_failure(plan.error());
  if (plan->dry_run) return run_dry(*plan);
  return run_service(flags.node.service(),
                     [&](Logger log, const ReadyReport& ready) { return init(flags, *plan, log, ready); });
}

void add_flags(CLI::App& command, InitFlags& flags) {
  flags.node.add_to(command);
  command.add_option("--config", flags.config, "kubeadm.k8s.io/v1beta4 documents, and objects to apply");
  command.add_option("--kubernetes-dir", flags.layout.kubernetes_dir, "Where kubeconfigs and manifests go")
      ->capture_default_str();
  command.add_option("--cert-dir", flags.layout.certificates_dir,
                     "Where certificates go (default: pki below --kubernetes-dir)");
  command.add_option("--control-plane-endpoint", flags.control_plane_endpoint,
                     "A stable address or name of the API server");
  command.add_option("--apiserver-advertise-address", flags.advertise_address, "The API server's address");
  command.add_option("--apiserver-bind-port,--secure-port", flags.bind_port, "The API server's port (6443)");
  command
      .add_option("--apiserver-cert-extra-sans", flags.extra_sans,
                  "More names or addresses of the API server")
      ->delimiter(',');
  command.add_option("--pod-network-cidr", flags.pod_cidr, "The pods' network (10.244.0.0/16)");
  command.add_option("--service-cidr", flags.service_cidr, "The Services' network (10.96.0.0/12)");
  command.add_option("--service-dns-domain", flags.domain, "The cluster's DNS domain (cluster.local)");
  command.add_option(
      "--datastore-endpoint", flags.datastore_endpoint,
      "An external store: https://HOST:2379 or postgres://... (default: SQLite on this machine)");
  command.add_option("--token", flags.token, "The token by which nodes join (default: a random one)");
  command.add_option("--token-ttl", flags.token_ttl, "How long it is valid (24h0m0s); 0: for ever");
  command.add_flag("--dry-run", flags.dry_run, "Say what would be done, and do nothing");
  command.add_flag("--skip-token-print", flags.skip_token_print, "Do not print the token");
  command.add_flag("--upload-certs", flags.upload_certs,
                   "Upload the certificates that control-plane nodes share to the Secret kubeadm-certs");
  command.add_option("--certificate-key", flags.certificate_key,
                     "The key to encrypt them with (default: a random one)");
  command.add_flag("--skip-certificate-key-print", flags.skip_certificate_key_print,
                   "Do not print the certificate key");
  add_preflight_flag(command, flags.ignored_checks);
}

}  // namespace

void add_init_command(CLI::App& app, Invocation& invocation) {
  auto flags = std::make_shared<InitFlags>();
  CLI::App* init = app.add_subcommand("init", "Make this machine the control plane of a new cluster");
  add_flags(*init, *flags);
  add_upload_certificates_phase(*init, invocation);
  init->callback([flags, init, &invocation] {
    if (init->get_subcommands().empty()) invocation.run = [flags] { return run_init(*flags); };
  });
}

}  // namespace cloudless::cli
