// NodeProgram: a running node of a cluster whose API server is another process: its credentials, its
// connection, its NodeAgent, and the certificates' renewal. `init`, `join` and `kubelet` run it; they differ
// in how the node comes to its credentials and in what is to be done before it counts as started.
//
// A control-plane node renews the cluster's certificates and kubeconfigs, too: whoever has the CA's key does.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "cli/api_servers.hpp"
#include "cli/cluster_facts.hpp"
#include "cli/control_plane_files.hpp"
#include "cli/death_announcer.hpp"
#include "cli/node_agent.hpp"
#include "cli/node_join.hpp"
#include "cli/service.hpp"
#include "client/connection.hpp"
#include "net/tcp.hpp"

namespace cloudless::cli {

struct NodeProgramOptions {
  JoinOptions join;
  /// Networks, domain and gossip key are filled in from the cluster's facts.
  NodeAgentOptions agent;
  /// Where ClusterFacts are kept.
  std::string facts_path;
  /// Where the cluster's API servers are kept.
  std::string api_servers_path;
  /// The node's KubeletConfiguration, which `agent` follows already where the file is there. Where it is not,
  /// the cluster's is fetched, kept and followed. Empty: none.
  std::string kubelet_config_path;
  std::optional<ControlPlaneFiles> control_plane;
  /// Whether the program counts as started only when the Node is Ready. Otherwise once its agent runs, so
  /// that it may start while the API is away.
  bool waits_for_ready = true;
};

class NodeProgram {
 public:
  /// Runs when the agent works and before the Node is waited for; returns what to tell the user.
  using Bootstrap =
      std::function<runtime::Task<Result<std::string>>(net::Resolver& resolver, Random& random)>;

  NodeProgram(NodeProgramOptions options, Logger log);

  /// Blocks until a signal ends the program. `ready` is called once.
  Result<> run(const ReadyReport& ready, Bootstrap bootstrap);

 private:
  runtime::Task<void> main(Result<>& outcome, const ReadyReport& ready, Bootstrap bootstrap);
  runtime::Task<Result<std::string>> start(Bootstrap bootstrap);
  runtime::Task<Result<>> connect();
  runtime::Task<Result<>> start_agent();
  runtime::Task<Result<>> configure_kubelet();
  runtime::Task<Result<ClusterFacts>> facts();
  runtime::Task<void> refresh_facts(ClusterFacts known);
  runtime::Task<void> renew_node_certificates();
  runtime::Task<void> renew_control_plane(ControlPlaneFiles files);
  runtime::Task<void> stop();

  NodeProgramOptions options_;
  Logger log_;
  SystemRandom random_;
  metrics::Registry registry_;
  runtime::EventLoop loop_;
  runtime::WorkerPool workers_;
  net::Resolver resolver_;
  NodeJoin join_;
  std::unique_ptr<client::Connection> connection_;
  std::unique_ptr<ApiServers> api_servers_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<client::Informers> informers_;
  std::unique_ptr<NodeAgent> agent_;
  std::unique_ptr<DeathAnnouncer> deaths_;
  runtime::TaskScope scope_;
};

}  // namespace cloudless::cli
