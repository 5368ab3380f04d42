#include "cli/join_plan.hpp"

#include "cli/node_join.hpp"

namespace cloudless::cli {

namespace kubeadm = api::kubeadm::v1beta4;

namespace {

kubeadm::JoinConfiguration merged(const JoinFlags& flags, const bootstrap::Documents& documents,
                                  const std::string& machine_name) {
  kubeadm::JoinConfiguration join = documents.join.value_or(kubeadm::JoinConfiguration());
  kubeadm::Discovery& discovery = join.discovery;
  if (!flags.discovery_file.empty()) discovery.file.emplace().kubeConfigPath = flags.discovery_file;
  const std::string& token = flags.discovery_token.empty() ? flags.token : flags.discovery_token;
  if (!flags.server.empty() || !token.empty()) {
    if (!discovery.bootstrapToken && !discovery.file) discovery.bootstrapToken.emplace();
    if (discovery.bootstrapToken) {
      auto& by_token = *discovery.bootstrapToken;
      if (!flags.server.empty()) by_token.apiServerEndpoint = flags.server;
      if (!token.empty()) by_token.token = token;
      if (!flags.ca_pins.empty()) by_token.caCertHashes = flags.ca_pins;
      if (flags.skip_ca_verification) by_token.unsafeSkipCAVerification = true;
    }
  }
  const std::string& for_certificate =
      flags.tls_bootstrap_token.empty() ? flags.token : flags.tls_bootstrap_token;
  if (!for_certificate.empty()) discovery.tlsBootstrapToken = for_certificate;
  if (!flags.node.node_name.empty()) join.nodeRegistration.name = flags.node.node_name;
  const std::string runtime =
      flags.node.runtime_endpoint.empty() ? join.nodeRegistration.criSocket : flags.node.runtime_endpoint;
  bootstrap::apply_defaults(join, machine_name);
  // Only a runtime that somebody has named is taken; without one, a containerd of our own runs.
  join.nodeRegistration.criSocket = runtime;
  return join;
}

std::vector<std::string> agent_arguments(const JoinFlags& flags, const NodeLayout& layout,
                                         const kubeadm::NodeRegistrationOptions& registration) {
  NodeFlags node = flags.node;
  node.node_name = registration.name;
  node.runtime_endpoint = registration.criSocket;
  for (const kubeadm::Taint& taint : registration.taints)
    node.register_with_taints.push_back(fmt::format("{}={}:{}", taint.key, taint.value, taint.effect));
  std::vector<std::string> out = node.arguments();
  if (layout.kubernetes_dir != NodeLayout().kubernetes_dir)
    out.push_back("--kubernetes-dir=" + layout.kubernetes_dir);
  for (const kubeadm::Arg& arg : registration.kubeletExtraArgs)
    out.push_back(fmt::format("--{}={}", arg.name, arg.value));
  return out;
}

}  // namespace

Result<JoinPlan> plan_join(const JoinFlags& flags, const bootstrap::Documents& documents,
                           const std::string& machine_name, Credentials credentials) {
  const kubeadm::JoinConfiguration join = merged(flags, documents, machine_name);
  if (join.controlPlane)
    return fail(
        Code::kUnimplemented,
        "controlPlane: a further control-plane node cannot be made by join; give all control planes one "
        "external store with `init --datastore-endpoint`");
  if (credentials == Credentials::kNeeded) TRY(bootstrap::validate(join));
  JoinPlan plan;
  const kubeadm::Discovery& discovery = join.discovery;
  if (discovery.bootstrapToken) {
    plan.server = discovery.bootstrapToken->apiServerEndpoint;
    plan.discovery_token = discovery.bootstrapToken->token;
    plan.ca_pins = discovery.bootstrapToken->caCertHashes;
    plan.skip_ca_verification = discovery.bootstrapToken->unsafeSkipCAVerification;
  }
  if (discovery.file) plan.discovery_file = discovery.file->kubeConfigPath;
  plan.bootstrap_token = discovery.tlsBootstrapToken;
  plan.discovery_limit = discovery.timeout.empty() ? kDiscoveryLimit : TRY(parse_duration(discovery.timeout));
  plan.layout = flags.layout;
  plan.layout.data_dir = flags.node.data_dir;
  plan.kubelet_arguments = agent_arguments(flags, plan.layout, join.nodeRegistration);
  plan.preflight = {.kubelet_port = flags.node.kubelet_port,
                    .kubernetes_dir = plan.layout.kubernetes_dir,
                    .store_dir = {},
                    .own_runtime = join.nodeRegistration.criSocket.empty()};
  plan.ignored_checks = join.nodeRegistration.ignorePreflightErrors;
  plan.ignored_checks.insert(plan.ignored_checks.end(), flags.ignored_checks.begin(),
                             flags.ignored_checks.end());
  return plan;
}

}  // namespace cloudless::cli
