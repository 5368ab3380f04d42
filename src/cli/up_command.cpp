// `cloudless up`: a whole cluster on one machine, in one process beside containerd.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "api/core_v1.hpp"
#include "base/encoding.hpp"
#include "bootstrap/pki.hpp"
#include "cli/command.hpp"
#include "cli/control_plane.hpp"
#include "cli/files.hpp"
#include "cli/instance.hpp"
#include "cli/node_address.hpp"
#include "cli/node_agent.hpp"
#include "cli/serving_certificate.hpp"
#include "cli/signals.hpp"
#include "gossip/gossip.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

constexpr Duration kNodeReadyLimit = std::chrono::seconds(120);

struct UpOptions {
  std::string data_dir = "/var/lib/cloudless";
  std::string node_name;
  std::string node_ip;
  std::vector<std::string> dns_listen;
  std::vector<std::string> images;
  std::vector<std::string> extra_sans;
  std::string pod_cidr = "10.244.0.0/16";
  std::string service_cidr = "10.96.0.0/12";
  std::string domain = "cluster.local";
  std::string endpoint;
  std::string runtime_endpoint;
  uint16_t secure_port = 6443;
  uint16_t kubelet_port = 10250;
  uint16_t gossip_port = gossip::kDefaultPort;
  bool disable_agent = false;
  bool detach = false;
  LogOptions log;
};

// What both halves are made from, checked.
struct UpPlan {
  ControlPlaneOptions control;
  NodeAgentOptions agent;
};

std::vector<net::Prefix> one_or_none(const net::Prefix& prefix) { return {prefix.masked()}; }

Result<UpPlan> make_plan(const UpOptions& options) {
  const net::IpAddress node_ip =
      options.node_ip.empty() ? TRY(detect_node_address()) : TRY(net::IpAddress::parse(options.node_ip));
  const net::Prefix pods = TRY(net::Prefix::parse(options.pod_cidr));
  const net::Prefix services = TRY(net::Prefix::parse(options.service_cidr));
  if (pods.overlaps(services)) {
    return fail(Code::kInvalid, "--pod-network-cidr {} and --service-cidr {} overlap", options.pod_cidr,
                options.service_cidr);
  }
  UpPlan plan;
  ControlPlaneOptions& control = plan.control;
  control.node_name = options.node_name.empty() ? detect_node_name() : options.node_name;
  control.data_dir = options.data_dir;
  control.advertise_address = node_ip;
  control.secure_port = options.secure_port;
  control.extra_sans = options.extra_sans;
  control.pod_cidrs = one_or_none(pods);
  control.service_cidrs = one_or_none(services);
  control.cluster_domain = options.domain;
  // kubeadm's choice: the tenth address of the Service network.
  control.cluster_dns = services.masked().address.plus(10);
  control.store_endpoint = options.endpoint;
  NodeAgentOptions& agent = plan.agent;
  agent.node_name = control.node_name;
  agent.node_ip = node_ip;
  agent.data_dir = options.data_dir;
  agent.runtime_endpoint = options.runtime_endpoint;
  agent.pod_cidrs = control.pod_cidrs;
  agent.service_cidrs = control.service_cidrs;
  agent.cluster_dns = control.cluster_dns;
  agent.cluster_domain = options.domain;
  for (const std::string& text : options.dns_listen)
    agent.dns_listen.push_back(TRY(net::SocketAddress::parse(text)));
  if (agent.dns_listen.empty()) agent.dns_listen = {{node_ip, 53}};
  agent.kubelet_port = options.kubelet_port;
  agent.gossip_port = options.gossip_port;
  agent.image_archives = options.images;
  agent.reports_dns = true;
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
  Result<> run(const std::function<void(const std::string&)>& ready) {
    TRY(control_.prepare());
    Result<> outcome;
    runtime::TaskScope scope(loop_, log_);
    scope.spawn(main(outcome, ready));
    loop_.run();
    return outcome;
  }

 private:
  Task<void> main(Result<>& outcome, const std::function<void(const std::string&)>& ready) {
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
    CO_TRY(co_await runtime::with_timeout(kNodeReadyLimit, "the node's way to Ready", wait_for_node()));
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

  Task<Result<>> wait_for_node() {
    auto& nodes = control_.informers().of<api::core::v1::Node>();
    nodes.add_handler([this](const auto&, const auto&) { node_changed_.notify(); });
    for (;;) {
      const auto node = nodes.cache().get(plan_.agent.node_name);
      const bool ready = node && std::ranges::any_of(node->status.conditions, [](const auto& condition) {
                           return condition.type == "Ready" && condition.status == "True";
                         });
      if (ready) co_return {};
      CO_TRY(co_await node_changed_.wait());
    }
  }

  UpPlan plan_;
  const bool with_agent_;
  Logger log_;
  SystemRandom random_;
  metrics::Registry registry_;
  runtime::EventLoop loop_;
  runtime::Signal node_changed_;
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
  if (const auto made = make_directories(options.data_dir); !made) return report_failure(made.error());
  std::optional<Detached> detached;
  if (options.detach) {
    if (const auto pid = running_instance(options.data_dir)) {
      return report_failure({Code::kAlreadyExists, fmt::format("cloudless already runs on {} as process {}",
                                                               options.data_dir, *pid)});
    }
    auto started = Detached::start(options.data_dir + "/cloudless.log");
    if (!started) return report_failure(started.error());
    detached = std::move(*started);
  }
  const auto report = [&detached](int status, const std::string& message) {
    if (detached) {
      detached->report(status, message);
    } else {
      fmt::print(status == kSuccess ? stdout : stderr, "{}", message);
      std::fflush(nullptr);
    }
  };
  const auto lock = InstanceLock::take(options.data_dir);
  const Result<> outcome = lock ? Up(std::move(*plan), !options.disable_agent, options.log.make_logger())
                                      .run([&report](const std::string& text) { report(kSuccess, text); })
                                : Result<>(std::unexpected(lock.error()));
  if (outcome) return kSuccess;
  report(kFailure, fmt::format("error: {}\n", outcome.error().message));
  return kFailure;
}

}  // namespace

void add_up_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<UpOptions>();
  CLI::App* up = app.add_subcommand("up", "Run a cluster on this machine: control plane, node and all");
  up->add_option("--data-dir", options->data_dir, "Where everything is kept")->capture_default_str();
  up->add_option("--node-name", options->node_name, "This node's name (default: the machine's)");
  up->add_option("--node-ip", options->node_ip, "The address that others reach this node by");
  up->add_option("--dns-listen", options->dns_listen,
                 "ADDRESS:PORT to answer DNS on (default: the node's, port 53)");
  up->add_option("--image", options->images, "An OCI archive whose image pods may use without a registry");
  up->add_option("--apiserver-cert-extra-sans", options->extra_sans,
                 "More names or addresses of the API server");
  up->add_option("--pod-network-cidr", options->pod_cidr, "The pods' network")->capture_default_str();
  up->add_option("--service-cidr", options->service_cidr, "The Services' network")->capture_default_str();
  up->add_option("--service-dns-domain", options->domain, "The cluster's DNS domain")->capture_default_str();
  up->add_option("--datastore-endpoint", options->endpoint,
                 "sqlite://FILE, postgres://..., memory:// (default: SQLite below --data-dir)");
  up->add_option("--container-runtime-endpoint", options->runtime_endpoint,
                 "A CRI socket, unix:///... (default: a containerd of our own)");
  up->add_option("--secure-port", options->secure_port, "The API server's port")->capture_default_str();
  up->add_option("--kubelet-port", options->kubelet_port, "The node agent's port")->capture_default_str();
  up->add_option("--gossip-port", options->gossip_port, "The UDP port by which nodes watch each other")
      ->capture_default_str();
  up->add_flag("--disable-agent", options->disable_agent, "The control plane alone: no pods run here");
  up->add_flag("--detach", options->detach, "Return once the cluster is ready; it goes on in the background");
  options->log.add_to(*up);
  up->callback([options, &invocation] { invocation.run = [options] { return run_up(*options); }; });
}

}  // namespace cloudless::cli
