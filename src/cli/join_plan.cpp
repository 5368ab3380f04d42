#include "cli/join_plan.hpp"

#include "cli/cluster_bootstrap.hpp"
#include "cli/node_join.hpp"
#include "cli/shared_certificates.hpp"

namespace cloudless::cli {

namespace kubeadm = api::kubeadm::v1beta4;

namespace {

void merge_control_plane(const JoinFlags& flags, const bootstrap::Documents& documents,
                         const MachineIdentity& machine, kubeadm::JoinConfiguration& join) {
  kubeadm::JoinControlPlane& own = *join.controlPlane;
  if (!flags.certificate_key.empty()) own.certificateKey = flags.certificate_key;
  std::string& address = own.localAPIEndpoint.advertiseAddress;
  if (!flags.advertise_address.empty()) address = flags.advertise_address;
  if (address.empty()) address = flags.node.node_ip.empty() ? machine.address : flags.node.node_ip;
  if (flags.bind_port != 0) own.localAPIEndpoint.bindPort = flags.bind_port;
  if (!documents.has_taints) join.nodeRegistration.taints = {control_plane_taint()};
}

Result<ControlPlaneJoin> control_plane_join(const kubeadm::JoinConfiguration& join) {
  ControlPlaneJoin out;
  out.certificate_key = join.controlPlane->certificateKey;
  if (!out.certificate_key.empty()) TRY(check_certificate_key(out.certificate_key));
  out.init.localAPIEndpoint = join.controlPlane->localAPIEndpoint;
  TRY(net::IpAddress::parse(out.init.localAPIEndpoint.advertiseAddress));
  out.init.nodeRegistration = join.nodeRegistration;
  TRY(bootstrap::validate(out.init));
  return out;
}

kubeadm::JoinConfiguration merged(const JoinFlags& flags, const bootstrap::Documents& documents,
                                  const MachineIdentity& machine) {
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
  if (flags.control_plane && !join.controlPlane) join.controlPlane.emplace();
  if (join.controlPlane) merge_control_plane(flags, documents, machine, join);
  bootstrap::apply_defaults(join, machine.name);
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
  if (!layout.certificates_dir.empty()) out.push_back("--certificates-dir=" + layout.certificates_dir);
  for (const kubeadm::Arg& arg : registration.kubeletExtraArgs)
    out.push_back(fmt::format("--{}={}", arg.name, arg.value));
  return out;
}

}  // namespace

Result<JoinPlan> plan_join(const JoinFlags& flags, const bootstrap::Documents& documents,
                           const MachineIdentity& machine, Credentials credentials) {
  const kubeadm::JoinConfiguration join = merged(flags, documents, machine);
  if (!flags.certificate_key.empty() && !join.controlPlane)
    return fail(Code::kInvalid, "--certificate-key is for a control-plane node: add --control-plane");
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
  plan.dry_run = flags.dry_run || join.dryRun;
  if (join.controlPlane) plan.control_plane = TRY(control_plane_join(join));
  plan.preflight = {.kubelet_port = flags.node.kubelet_port,
                    .kubernetes_dir = plan.layout.kubernetes_dir,
                    .store_dir = {},
                    .own_runtime = join.nodeRegistration.criSocket.empty()};
  if (plan.control_plane)
    plan.preflight.api_port = static_cast<uint16_t>(plan.control_plane->init.localAPIEndpoint.bindPort);
  plan.ignored_checks = join.nodeRegistration.ignorePreflightErrors;
  plan.ignored_checks.insert(plan.ignored_checks.end(), flags.ignored_checks.begin(),
                             flags.ignored_checks.end());
  return plan;
}

}  // namespace cloudless::cli
