// `cloudless join`: this machine as a further node of a cluster, as `kubeadm join` makes it. This process is
// then the node's agent; `kubelet` runs it again.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "cli/command.hpp"
#include "cli/control_plane_join.hpp"
#include "cli/dry_run.hpp"
#include "cli/files.hpp"
#include "cli/join_plan.hpp"
#include "cli/kubelet_flags.hpp"
#include "cli/preflight.hpp"

namespace cloudless::cli {

namespace {

constexpr mode_t kPublicMode = 0644;

// A node that was here before goes on with what it has.
bool has_joined(const NodeLayout& layout) {
  std::error_code ignored;
  return std::filesystem::exists(layout.facts(), ignored) &&
         std::filesystem::exists(layout.node_files().kubeconfig, ignored);
}

Result<JoinPlan> make_plan(const JoinFlags& flags, Credentials credentials) {
  bootstrap::Documents documents;
  if (!flags.config.empty())
    documents = TRY(bootstrap::read_documents(TRY(read_file(flags.config)), flags.config));
  return plan_join(flags, documents, detect_machine(), credentials);
}

Result<> check_machine(const JoinPlan& plan, const Logger& log) {
  const auto needs = plan.control_plane ? bootstrap::control_plane_join_needs(plan.preflight)
                                        : bootstrap::join_needs(plan.preflight);
  return run_preflight(needs, plan.ignored_checks, log);
}

// A worker does not become a control-plane node while it runs pods.
Result<> check_role(const JoinPlan& plan) {
  std::error_code ignored;
  if (!plan.control_plane || std::filesystem::exists(plan.layout.control_plane(), ignored)) return {};
  return fail(Code::kInvalid,
              "this machine is a worker node already; run `cloudless reset` before --control-plane");
}

Result<> join(const JoinPlan& plan, Credentials credentials, const Logger& log, const ReadyReport& ready) {
  if (credentials == Credentials::kAtHand) TRY(check_role(plan));
  if (credentials == Credentials::kNeeded) TRY(check_machine(plan, log));
  TRY(write_file(plan.layout.kubelet_flags(), TRY(encode_flags_file(plan.kubelet_arguments)), kPublicMode));
  NodeProgramOptions options = TRY(kubelet_options(TRY(parse_kubelet_flags(plan.kubelet_arguments)), log));
  options.join.server = plan.server;
  options.join.token = plan.discovery_token;
  options.join.bootstrap_token = plan.bootstrap_token;
  options.join.ca_pins = plan.ca_pins;
  options.join.skip_ca_verification = plan.skip_ca_verification;
  options.join.discovery_file = plan.discovery_file;
  options.join.discovery_limit = plan.discovery_limit;
  options.waits_for_ready = true;
  if (plan.control_plane && credentials == Credentials::kNeeded)
    return join_control_plane(plan, std::move(options), log, ready);
  const std::string message = fmt::format(
      "\nThis node has joined the cluster as {}:\n"
      "* Certificate signing request was sent to apiserver and a response was received.\n"
      "* The Kubelet was informed of the new secure connection details.\n\n"
      "Run 'kubectl get nodes' on the control-plane to see this node join the cluster.\n",
      options.agent.node_name);
  return NodeProgram(std::move(options), log).run([&](const std::string&) { ready(message); }, {});
}

int run_dry(const JoinPlan& plan, const Logger& log) {
  const Result<> checked = check_machine(plan, log);
  fmt::print("{}", describe(plan));
  return checked ? kSuccess : report_failure(checked.error());
}

int run_join(const JoinFlags& flags) {
  if (geteuid() != 0) return report_failure({Code::kPermissionDenied, "running pods needs root: use sudo"});
  NodeLayout layout = flags.layout;
  layout.data_dir = flags.node.data_dir;
  const Credentials credentials = has_joined(layout) ? Credentials::kAtHand : Credentials::kNeeded;
  const auto plan = make_plan(flags, credentials);
  if (!plan) return report_failure(plan.error());
  if (plan->dry_run) return run_dry(*plan, flags.node.log.make_logger());
  return run_service(flags.node.service(), [&](Logger log, const ReadyReport& ready) {
    return join(*plan, credentials, log, ready);
  });
}

void add_flags(CLI::App& command, JoinFlags& flags) {
  command.add_option("server", flags.server, "HOST:PORT of the cluster's API server");
  command.add_option("--config", flags.config, "A kubeadm.k8s.io/v1beta4 JoinConfiguration");
  command.add_option("--token", flags.token, "A bootstrap token, ID.SECRET; needed the first time");
  command.add_option("--discovery-token", flags.discovery_token, "The token to know the cluster by");
  command.add_option("--tls-bootstrap-token", flags.tls_bootstrap_token,
                     "The token to ask for a certificate with");
  command.add_option("--discovery-token-ca-cert-hash", flags.ca_pins,
                     "sha256:HEX of the public key of the cluster's CA");
  command.add_flag("--discovery-token-unsafe-skip-ca-verification", flags.skip_ca_verification,
                   "Trust whoever has the token");
  command.add_option("--discovery-file", flags.discovery_file,
                     "A kubeconfig that says where the cluster is, in the place of the token");
  command.add_flag("--dry-run", flags.dry_run, "Say what would be done, and do nothing");
  command.add_flag("--control-plane", flags.control_plane, "Make this machine a further control-plane node");
  command.add_option("--certificate-key", flags.certificate_key,
                     "The key of the certificates that `init --upload-certs` has uploaded");
  command.add_option("--apiserver-advertise-address", flags.advertise_address,
                     "With --control-plane: the address of the API server that runs here");
  command.add_option("--apiserver-bind-port", flags.bind_port, "With --control-plane: its port (6443)");
  command.add_option("--cert-dir", flags.layout.certificates_dir,
                     "Where the cluster's certificates go (default: pki below --kubernetes-dir)");
  command
      .add_option("--kubernetes-dir", flags.layout.kubernetes_dir, "Where kubeconfigs and certificates go")
      ->capture_default_str();
  add_preflight_flag(command, flags.ignored_checks);
  flags.node.add_to(command);
}

}  // namespace

void add_join_command(CLI::App& app, Invocation& invocation) {
  auto flags = std::make_shared<JoinFlags>();
  CLI::App* join = app.add_subcommand("join", "Make this machine a node of a cluster");
  add_flags(*join, *flags);
  join->callback([flags, &invocation] { invocation.run = [flags] { return run_join(*flags); }; });
}

}  // namespace cloudless::cli
