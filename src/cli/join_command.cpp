// `cloudless join`: this machine as a further node of a cluster.
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/command.hpp"
#include "cli/gossip_secret.hpp"
#include "cli/node_agent.hpp"
#include "cli/node_flags.hpp"
#include "cli/node_join.hpp"
#include "cli/node_ready.hpp"
#include "cli/service.hpp"
#include "cli/signals.hpp"
#include "gossip/gossip.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

// Names of API servers are looked up rarely.
constexpr size_t kWorkers = 1;
constexpr size_t kWorkerQueue = 100;
// How often certificates are looked at; a third of their life is far longer.
constexpr Duration kRenewalCheck = std::chrono::hours(12);
// How soon a certificate that was not to be had is asked for again.
constexpr Duration kRenewalRetry = std::chrono::minutes(1);

struct JoinFlags {
  NodeFlags node;
  JoinOptions join;
};

// The running node.
class Join {
 public:
  Join(JoinOptions join, NodeAgentOptions agent, Logger log)
      : agent_options_(std::move(agent)),
        log_(std::move(log)),
        join_(std::move(join), resolver_, random_, loop_.clock(), log_.named("join")) {}

  /// Blocks until a signal ends the program. `ready` is called once the node is Ready.
  Result<> run(const ReadyReport& ready) {
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
      ready(fmt::format("This node has joined the cluster as {}\n", agent_options_.node_name));
      static_cast<void>(co_await wait_for_termination(loop_));
      log_.info("stopping; pods go on running");
    }
    co_await stop();
    // After this task's frame is gone, so that its scope is idle when the loop has ended.
    loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
  }

  Task<Result<>> start() {
    connection_ = CO_TRY(
        client::Connection::make(CO_TRY(co_await join_.credentials()), resolver_, log_.named("client")));
    client_ = std::make_unique<client::Client>(*connection_,
                                               client::Client::Options{.user_agent = "cloudless/join"});
    informers_ = std::make_unique<client::Informers>(*client_, loop_, random_, log_.named("informers"));
    CO_TRY(co_await configure());
    agent_ =
        std::make_unique<NodeAgent>(agent_options_, loop_, *client_, *informers_, random_, registry_, log_);
    CO_TRY(co_await agent_->start());
    CO_TRY(co_await wait_until_ready(*informers_, agent_options_.node_name));
    scope_.spawn(renew_certificates());
    co_return {};
  }

  Task<Result<>> configure() {
    ClusterNetworking cluster = CO_TRY(co_await join_.networking(*client_));
    agent_options_.cluster_dns = cluster_dns_address(cluster.service_cidrs.front());
    agent_options_.pod_cidrs = std::move(cluster.pod_cidrs);
    agent_options_.service_cidrs = std::move(cluster.service_cidrs);
    agent_options_.cluster_domain = std::move(cluster.domain);
    agent_options_.gossip_key = gossip::derive_key(CO_TRY(co_await read_gossip_secret(*client_)));
    agent_options_.kubelet_tls = CO_TRY(join_.serving_options());
    co_return {};
  }

  Task<void> renew_certificates() {
    for (;;) {
      const auto renewed = co_await join_.renew(*client_);
      if (!renewed)
        log_.warn("this node's certificates are not as they should be; trying again",
                  {{"error", renewed.error()}});
      if (!co_await runtime::sleep_for(renewed ? kRenewalCheck : kRenewalRetry)) co_return;
    }
  }

  Task<void> stop() {
    scope_.cancel();
    co_await scope_.join();
    if (agent_) co_await agent_->stop();
    if (informers_) co_await informers_->stop();
    if (connection_) co_await connection_->stop();
  }

  NodeAgentOptions agent_options_;
  Logger log_;
  SystemRandom random_;
  metrics::Registry registry_;
  runtime::EventLoop loop_;
  runtime::WorkerPool workers_{"resolver", kWorkers, kWorkerQueue};
  net::Resolver resolver_{workers_};
  NodeJoin join_;
  std::unique_ptr<client::Connection> connection_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<client::Informers> informers_;
  std::unique_ptr<NodeAgent> agent_;
  runtime::TaskScope scope_{loop_, log_};
};

int run_join(const JoinFlags& flags) {
  if (geteuid() != 0) return report_failure({Code::kPermissionDenied, "running pods needs root: use sudo"});
  auto agent = flags.node.agent_options();
  if (!agent) return report_failure(agent.error());
  JoinOptions join = flags.join;
  join.node_name = agent->node_name;
  join.node_ip = agent->node_ip;
  join.data_dir = agent->data_dir;
  return run_service(flags.node.service(), [&](Logger log, const ReadyReport& ready) {
    return Join(std::move(join), std::move(*agent), std::move(log)).run(ready);
  });
}

}  // namespace

void add_join_command(CLI::App& app, Invocation& invocation) {
  auto flags = std::make_shared<JoinFlags>();
  CLI::App* join = app.add_subcommand("join", "Make this machine a node of a cluster");
  join->add_option("server", flags->join.server, "HOST:PORT of the cluster's API server")->required();
  join->add_option("--token", flags->join.token, "A bootstrap token, ID.SECRET; needed the first time");
  join->add_option("--discovery-token-ca-cert-hash", flags->join.ca_pins,
                   "sha256:HEX of the public key of the cluster's CA");
  join->add_flag("--discovery-token-unsafe-skip-ca-verification", flags->join.skip_ca_verification,
                 "Trust whoever has the token");
  flags->node.add_to(*join);
  join->callback([flags, &invocation] { invocation.run = [flags] { return run_join(*flags); }; });
}

}  // namespace cloudless::cli
