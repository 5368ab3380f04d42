#include "cli/node_program.hpp"

#include "api/core_v1.hpp"
#include "base/files.hpp"
#include "cli/node_flags.hpp"
#include "cli/node_layout.hpp"
#include "cli/node_ready.hpp"
#include "cli/signals.hpp"
#include "gossip/gossip.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

// Names of API servers are looked up, and certificates made, rarely.
constexpr size_t kWorkers = 1;
constexpr size_t kWorkerQueue = 100;
// How often certificates are looked at; a third of their life is far longer.
constexpr Duration kRenewalCheck = std::chrono::hours(12);
// How soon what was not to be had is asked for again: an API server that starts takes seconds.
constexpr Duration kRenewalRetry = std::chrono::seconds(5);
// An address that has moved away with its node's power says nothing: a node asks sooner than other clients,
// so that its lease is renewed through another server in time.
constexpr Duration kPingAfter = std::chrono::seconds(12);
constexpr Duration kPingTimeout = std::chrono::seconds(5);

}  // namespace

NodeProgram::NodeProgram(NodeProgramOptions options, Logger log)
    : options_(std::move(options)),
      log_(std::move(log)),
      workers_("node-files", kWorkers, kWorkerQueue),
      resolver_(workers_),
      join_(options_.join, resolver_, random_, loop_.clock(), log_.named("join")),
      scope_(loop_, log_) {}

Result<> NodeProgram::run(const ReadyReport& ready, Bootstrap bootstrap) {
  Result<> outcome;
  runtime::TaskScope scope(loop_, log_);
  scope.spawn(main(outcome, ready, std::move(bootstrap)));
  loop_.run();
  return outcome;
}

Task<void> NodeProgram::main(Result<>& outcome, const ReadyReport& ready, Bootstrap bootstrap) {
  const auto started = co_await start(std::move(bootstrap));
  if (started) {
    ready(*started);
    static_cast<void>(co_await wait_for_termination(loop_));
    log_.info("stopping; pods go on running");
  } else {
    outcome = std::unexpected(started.error());
  }
  co_await stop();
  // After this task's frame is gone, so that its scope is idle when the loop has ended.
  loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
}

Task<Result<std::string>> NodeProgram::start(Bootstrap bootstrap) {
  CO_TRY(co_await connect());
  CO_TRY(co_await start_agent());
  std::string message = fmt::format("The node agent of {} runs\n", options_.agent.node_name);
  if (bootstrap) message = CO_TRY(co_await bootstrap(resolver_, random_));
  api_servers_->start(scope_, *informers_, agent_->membership());
  deaths_ = std::make_unique<DeathAnnouncer>(
      options_.agent.node_name, options_.control_plane ? gossip::AtHalf::kReports : gossip::AtHalf::kIsSilent,
      *informers_, agent_->membership(), log_.named("gossip"));
  scope_.spawn(deaths_->run());
  if (options_.waits_for_ready) CO_TRY(co_await wait_until_ready(*informers_, options_.agent.node_name));
  scope_.spawn(renew_node_certificates());
  if (options_.control_plane) scope_.spawn(renew_control_plane(*options_.control_plane));
  co_return message;
}

Task<Result<>> NodeProgram::connect() {
  auto way = CO_TRY(co_await join_.credentials());
  way.ping_after = kPingAfter;
  way.ping_timeout = kPingTimeout;
  connection_ = CO_TRY(client::Connection::make(std::move(way), resolver_, log_.named("client")));
  api_servers_ = std::make_unique<ApiServers>(options_.api_servers_path, *connection_);
  api_servers_->load();
  client_ = std::make_unique<client::Client>(*connection_,
                                             client::Client::Options{.user_agent = "cloudless/kubelet"});
  informers_ = std::make_unique<client::Informers>(*client_, loop_, random_, log_.named("informers"));
  co_return {};
}

Task<Result<ClusterFacts>> NodeProgram::facts() {
  if (auto known = load_facts(options_.facts_path)) {
    scope_.spawn(refresh_facts(*known));
    co_return std::move(*known);
  }
  ClusterFacts found = CO_TRY(co_await fetch_facts(*client_));
  CO_TRY(store_facts(options_.facts_path, found));
  co_return found;
}

// What has changed since is for the next start: networks are wired by it.
Task<void> NodeProgram::refresh_facts(ClusterFacts known) {
  for (;;) {
    const auto found = co_await fetch_facts(*client_);
    if (found) {
      if (*found == known) co_return;
      const auto stored = store_facts(options_.facts_path, *found);
      log_.warn("the cluster's networks or keys have changed; start this node's agent again to follow",
                {{"stored", stored ? "yes" : stored.error().message}});
      co_return;
    }
    if (!co_await runtime::sleep_for(kRenewalRetry)) co_return;
  }
}

Task<Result<>> NodeProgram::start_agent() {
  const ClusterFacts cluster = CO_TRY(co_await facts());
  CO_TRY(co_await configure_kubelet());
  NodeAgentOptions& agent = options_.agent;
  if (agent.cluster_dns == net::IpAddress())
    agent.cluster_dns = cluster_dns_address(cluster.service_cidrs.front());
  agent.pod_cidrs = cluster.pod_cidrs;
  agent.service_cidrs = cluster.service_cidrs;
  agent.cluster_domain = cluster.domain;
  agent.gossip_key = gossip::derive_key(cluster.gossip_secret);
  agent.kubelet_tls = CO_TRY(join_.serving_options());
  agent.reports_dns = options_.control_plane.has_value();
  agent_ = std::make_unique<NodeAgent>(agent, loop_, *client_, *informers_, random_, registry_, log_);
  co_return co_await agent_->start();
}

// kubeadm's phase kubelet-start: the cluster's KubeletConfiguration becomes the node's own.
Task<Result<>> NodeProgram::configure_kubelet() {
  const std::string& path = options_.kubelet_config_path;
  if (path.empty() || read_file(path)) co_return {};
  const auto map = co_await client_->get<api::core::v1::ConfigMap>("kube-system", "kubelet-config");
  if (!map && map.error().code == Code::kNotFound) co_return {};
  if (!map) co_return std::unexpected(map.error());
  const auto text = map->data.find("kubelet");
  if (text == map->data.end()) co_return {};
  const auto applied = apply_kubelet_configuration(text->second, options_.agent);
  if (!applied) co_return std::unexpected(applied.error());
  co_return write_file(path, text->second, 0644);
}

Task<void> NodeProgram::renew_node_certificates() {
  for (std::string said;;) {
    const auto renewed = co_await join_.renew(*client_);
    if (!renewed && renewed.error().message != std::exchange(said, renewed.error().message))
      log_.warn("this node's certificates are not as they should be; trying again",
                {{"error", renewed.error()}});
    if (!co_await runtime::sleep_for(renewed ? kRenewalCheck : kRenewalRetry)) co_return;
  }
}

Task<void> NodeProgram::renew_control_plane(ControlPlaneFiles files) {
  for (;;) {
    const auto renewed =
        co_await workers_.run([files, now = loop_.clock().wall_now()] { return ensure_files(files, now); });
    if (!renewed)
      log_.error("the cluster's certificates could not be renewed; trying again",
                 {{"error", renewed.error()}});
    else if (*renewed)
      log_.info("certificates of the control plane were renewed");
    if (!co_await runtime::sleep_for(renewed ? kRenewalCheck : kRenewalRetry)) co_return;
  }
}

Task<void> NodeProgram::stop() {
  scope_.cancel();
  co_await scope_.join();
  if (agent_) co_await agent_->stop();
  if (informers_) co_await informers_->stop();
  if (connection_) co_await connection_->stop();
}

}  // namespace cloudless::cli
