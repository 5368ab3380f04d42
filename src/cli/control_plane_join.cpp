#include "cli/control_plane_join.hpp"

#include "base/strings.hpp"
#include "cli/cluster_bootstrap.hpp"
#include "cli/cluster_facts.hpp"
#include "cli/control_plane_node.hpp"
#include "cli/files.hpp"
#include "cli/shared_certificates.hpp"
#include "cli/short_work.hpp"

namespace cloudless::cli {

namespace kubeadm = api::kubeadm::v1beta4;
using runtime::Task;

namespace {

constexpr mode_t kSecretMode = 0600;

// What the cluster tells one who joins its control plane.
struct Invitation {
  kubeadm::ClusterConfiguration cluster;
  SharedValues shared;
};

Task<Result<Invitation>> ask(const client::Client& client, const ControlPlaneJoin& plan) {
  Invitation invitation;
  invitation.cluster = CO_TRY(co_await fetch_cluster_configuration(client));
  CO_TRY(check_takes_control_planes(invitation.cluster));
  if (plan.certificate_key.empty()) co_return invitation;
  invitation.shared =
      CO_TRY(open_values(CO_TRY(co_await download_shared_values(client)), plan.certificate_key));
  co_return invitation;
}

Task<Result<>> fetch(const JoinOptions& options, const ControlPlaneJoin& plan, const ShortWork& work,
                     Invitation& into) {
  NodeJoin join(options, work.resolver, work.random, work.clock, work.log);
  client::ConnectionOptions as_token{
      .server = CO_TRY(co_await join.discover()),
      .tls = {},
      .token = options.bootstrap_token.empty() ? options.token : options.bootstrap_token};
  as_token.tls.ca = net::PemSource::file(options.files.ca);
  const auto connection = CO_TRY(client::Connection::make(std::move(as_token), work.resolver, work.log));
  const client::Client client(*connection);
  auto invitation = co_await ask(client, plan);
  co_await connection->stop();
  if (!invitation) co_return std::unexpected(invitation.error());
  into = std::move(*invitation);
  co_return {};
}

Result<> check_shared_files(const NodeLayout& layout) {
  const auto missing = missing_shared_files(layout);
  if (missing.empty()) return {};
  return fail(
      Code::kInvalid,
      "a control-plane node needs the certificates that all of them share, and {} not there: upload them "
      "with "
      "`cloudless init phase upload-certs --upload-certs` on another one and pass --certificate-key, or copy "
      "them by hand",
      missing.size() == 1 ? missing.front() + " is" : join(missing, ", ") + " are");
}

Result<ControlPlaneConfiguration> prepare(const JoinPlan& plan, Invitation invitation, WallTime now,
                                          const Logger& log) {
  TRY(store_shared_values(invitation.shared, plan.layout, invitation.cluster));
  TRY(check_shared_files(plan.layout));
  const ControlPlaneConfiguration configuration{.cluster = std::move(invitation.cluster),
                                                .init = plan.control_plane->init};
  log.info("[certs] and [kubeconfig]",
           {{"certificates", plan.layout.pki_dir()}, {"kubeconfigs", plan.layout.kubernetes_dir}});
  TRY(ensure_files(TRY(control_plane_files(plan.layout, configuration)), now));
  TRY(write_file(plan.layout.control_plane(), encode_configuration(configuration), kSecretMode));
  TRY(write_manifests(plan.layout, configuration, log));
  return configuration;
}

// Runs inside the started agent: waits for the API server that it has started here, and marks the node.
class Arrival {
 public:
  Arrival(const NodeLayout& layout, ControlPlaneConfiguration configuration, Logger log)
      : layout_(layout), configuration_(std::move(configuration)), log_(std::move(log)) {}

  Task<Result<std::string>> run(net::Resolver& resolver) {
    auto config = CO_TRY(client::load_kubeconfig(layout_.kubernetes_dir + "/admin.conf"));
    config.server = "https://" + configuration_.local_endpoint();
    const auto connection = CO_TRY(
        client::Connection::make(CO_TRY(client::connection_options(config)), resolver, log_.named("client")));
    const client::Client client(*connection);
    log_.info("[wait-control-plane] waiting for the static pods",
              {{"limit", format_duration(kControlPlaneLimit)}});
    Result<> done = co_await wait_for_api(client, kControlPlaneLimit);
    if (done) done = co_await mark_control_plane(client, configuration_);
    co_await connection->stop();
    if (!done) co_return std::unexpected(done.error());
    co_return message();
  }

 private:
  std::string message() const {
    return fmt::format(
        "\nThis node has joined the cluster and a new control plane instance was created:\n\n"
        "* Certificate signing request was sent to apiserver and approval was received.\n"
        "* The Kubelet was informed of the new secure connection details.\n"
        "* Control plane label and taint were applied to the new node.\n\n"
        "To start administering your cluster from this node:\n\n"
        "  export KUBECONFIG={}/admin.conf\n\n"
        "Run 'kubectl get nodes' to see this node join the cluster.\n",
        layout_.kubernetes_dir);
  }

  const NodeLayout layout_;
  const ControlPlaneConfiguration configuration_;
  Logger log_;
};

}  // namespace

Result<> join_control_plane(const JoinPlan& plan, NodeProgramOptions options, const Logger& log,
                            const ReadyReport& ready) {
  Invitation invitation;
  TRY(run_short_work(log, [&](const ShortWork& work) {
    return fetch(options.join, *plan.control_plane, work, invitation);
  }));
  const ControlPlaneConfiguration configuration =
      TRY(prepare(plan, std::move(invitation), SystemClock().wall_now(), log));
  const ControlPlaneImage image(plan.layout.data_dir);
  TRY(image.write());
  options.agent.image_archives.push_back(image.path());
  options.control_plane = TRY(control_plane_files(plan.layout, configuration));
  Arrival arrival(plan.layout, configuration, log);
  return NodeProgram(std::move(options), log).run(ready, [&arrival](net::Resolver& resolver, Random&) {
    return arrival.run(resolver);
  });
}

}  // namespace cloudless::cli
