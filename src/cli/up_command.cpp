// `cloudless up`: a whole cluster on one machine, in one process beside containerd.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "cli/cluster_facts.hpp"
#include "cli/command.hpp"
#include "cli/control_plane.hpp"
#include "cli/node_agent.hpp"
#include "cli/node_flags.hpp"
#include "cli/node_ready.hpp"
#include "cli/service.hpp"
#include "cli/serving_certificate.hpp"
#include "cli/signals.hpp"
#include "gossip/gossip.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

struct UpOptions {
  NodeFlags node;
  std::vector<std::string> extra_sans;
  std::string pod_cidr = "10.244.0.0/16";
  std::string service_cidr = "10.96.0.0/12";
  std::string domain = "cluster.local";
  DatastoreOptions datastore;
  std::vector<std::string> etcd_servers;
  AuditOptions audit;
  uint16_t secure_port = 6443;
  bool disable_agent = false;
};

// What both halves are made from, checked.
struct UpPlan {
  ControlPlaneOptions control;
  NodeAgentOptions agent;
};

Result<UpPlan> make_plan(const UpOptions& options) {
  const std::vector<net::Prefix> pods = TRY(parse_subnets(options.pod_cidr));
  const std::vector<net::Prefix> services = TRY(parse_subnets(options.service_cidr));
  for (const net::Prefix& of_pods : pods) {
    if (std::ranges::none_of(services, [&](const auto& prefix) { return of_pods.overlaps(prefix); }))
      continue;
    return fail(Code::kInvalid, "--pod-network-cidr {} and --service-cidr {} overlap", options.pod_cidr,
                options.service_cidr);
  }
  UpPlan plan;
  NodeAgentOptions& agent = plan.agent;
  agent = TRY(options.node.agent_options());
  agent.pod_cidrs = pods;
  agent.service_cidrs = services;
  agent.cluster_dns = cluster_dns_address(services.front());
  agent.cluster_domain = options.domain;
  agent.reports_dns = true;
  ControlPlaneOptions& control = plan.control;
  control.node_name = agent.node_name;
  control.data_dir = agent.data_dir;
  control.advertise_address = agent.node_ip;
  control.secure_port = options.secure_port;
  control.extra_sans = options.extra_sans;
  control.pod_cidrs = agent.pod_cidrs;
  control.service_cidrs = agent.service_cidrs;
  control.cluster_domain = options.domain;
  control.cluster_dns = agent.cluster_dns;
  control.datastore = options.datastore;
  if (!options.etcd_servers.empty()) control.datastore.endpoint = join(options.etcd_servers, ",");
  control.audit = options.audit;
  return plan;
}

// The running program: both halves and the loop that they share.
class Up {
 public:
  Up(UpPlan plan, bool with_agent, Logger log)
      : plan_(std::move(plan)),
        with_agent_(with_agent),
        log_(std::move(log)),
        control_(plan_.control, loop_, random_, registry_, log_) {}

  /// Blocks until a signal ends the program. `ready` is called once the cluster works.
  Result<> run(const ReadyReport& ready) {
    TRY(control_.prepare());
    Result<> outcome;
    runtime::TaskScope scope(loop_, log_);
    scope.spawn(main(outcome, ready));
    loop_.run();
    return outcome;
  }

 private:
  Task<void> main(Result<>& outcome, const ReadyReport& ready) {
    outcome = co_await start();
    if (outcome) {
      ready(fmt::format("The cluster is ready: export KUBECONFIG={}/admin.conf\n", plan_.control.data_dir));
      static_cast<void>(co_await wait_for_termination(loop_));
      log_.info("stopping; pods go on running");
    }
    subscription_.reset();
    if (agent_) co_await agent_->stop();
    co_await control_.stop();
    // After this task's frame is gone, so that its scope is idle when the loop has ended.
    loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
  }

  Task<Result<>> start() {
    const SteadyTime begin = loop_.clock().steady_now();
    CO_TRY(co_await control_.start());
    log_.info("the API server answers", {{"after", format_duration(loop_.clock().steady_now() - begin)}});
    if (!with_agent_) co_return {};
    CO_TRY(co_await start_agent());
    CO_TRY(co_await wait_until_ready(control_.informers(), plan_.agent.node_name));
    log_.info("the node is Ready", {{"after", format_duration(loop_.clock().steady_now() - begin)}});
    co_return {};
  }

  Task<Result<>> start_agent() {
    plan_.agent.gossip_key = gossip::derive_key(CO_TRY(co_await control_.gossip_secret()));
    plan_.agent.kubelet_tls = CO_TRY(ensure_kubelet_serving(plan_.control.pki_dir(), plan_.agent.node_name,
                                                            plan_.agent.node_ip, loop_.clock().wall_now()));
    agent_ = std::make_unique<NodeAgent>(plan_.agent, loop_, control_.client(), control_.informers(), random_,
                                         registry_, log_);
    CO_TRY(co_await agent_->start());
    subscription_ = agent_->membership().subscribe([this] { loop_.post([this] { tell_dead_nodes(); }); });
    co_return {};
  }

  void tell_dead_nodes() {
    if (!agent_) return;
    const auto view = agent_->membership().view();
    std::set<std::string> dead;
    for (const auto& [name, member] : view->members) {
      if (view->is_dead(name)) dead.insert(name);
    }
    control_.set_dead_nodes(dead);
  }

  UpPlan plan_;
  const bool with_agent_;
  Logger log_;
  SystemRandom random_;
  metrics::Registry registry_;
  runtime::EventLoop loop_;
  ControlPlane control_;
  std::unique_ptr<NodeAgent> agent_;
  std::shared_ptr<void> subscription_;
};

int run_up(const UpOptions& options) {
  if (!options.disable_agent && geteuid() != 0) {
    return report_failure(
        {Code::kPermissionDenied,
         "running pods needs root: use sudo, or --disable-agent for a control plane alone"});
  }
  auto plan = make_plan(options);
  if (!plan) return report_failure(plan.error());
  return run_service(options.node.service(), [&](Logger log, const ReadyReport& ready) {
    return Up(std::move(*plan), !options.disable_agent, std::move(log)).run(ready);
  });
}

void add_datastore_options(CLI::App& up, UpOptions& options) {
  up.add_option("--datastore-endpoint", options.datastore.endpoint,
                "sqlite://FILE, postgres://..., memory://, http(s)://HOST:2379 (default: SQLite below "
                "--data-dir)");
  up.add_option("--etcd-servers", options.etcd_servers,
                "etcd to keep the cluster's state in, as https://HOST:2379")
      ->delimiter(',')
      ->excludes("--datastore-endpoint");
  up.add_option("--etcd-cafile,--datastore-cafile", options.datastore.ca_file,
                "CA that the datastore is verified by");
  up.add_option("--etcd-certfile,--datastore-certfile", options.datastore.cert_file,
                "Certificate to show the datastore");
  up.add_option("--etcd-keyfile,--datastore-keyfile", options.datastore.key_file, "Its key");
}

void add_audit_options(CLI::App& up, AuditOptions& audit) {
  up.add_option("--audit-policy-file", audit.policy_file,
                "Which requests are recorded (audit.k8s.io/v1 Policy)");
  up.add_option("--audit-log-path", audit.log_path, "Where they are recorded; '-' is standard output");
  up.add_option("--audit-log-maxage", audit.max_days, "Days that old audit logs are kept");
  up.add_option("--audit-log-maxbackup", audit.max_backups, "Old audit logs that are kept")
      ->capture_default_str();
  up.add_option("--audit-log-maxsize", audit.max_megabytes, "Megabytes before an audit log is rotated")
      ->capture_default_str();
}

}  // namespace

void add_up_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<UpOptions>();
  CLI::App* up = app.add_subcommand("up", "Run a cluster on this machine: control plane, node and all");
  options->node.add_to(*up);
  up->add_option("--apiserver-cert-extra-sans", options->extra_sans,
                 "More names or addresses of the API server");
  up->add_option("--pod-network-cidr", options->pod_cidr, "The pods' network; for two families: IPV4,IPV6")
      ->capture_default_str();
  up->add_option("--service-cidr", options->service_cidr,
                 "The Services' network; for two families: IPV4,IPV6")
      ->capture_default_str();
  up->add_option("--service-dns-domain", options->domain, "The cluster's DNS domain")->capture_default_str();
  add_datastore_options(*up, *options);
  add_audit_options(*up, options->audit);
  up->add_option("--secure-port", options->secure_port, "The API server's port")->capture_default_str();
  up->add_flag("--disable-agent", options->disable_agent, "The control plane alone: no pods run here");
  up->callback([options, &invocation] { invocation.run = [options] { return run_up(*options); }; });
}

}  // namespace cloudless::cli
