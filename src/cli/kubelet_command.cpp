// `cloudless kubelet`: the agent of a node that `init`, `join` or kubeadm's documents have set up, with the
// kubelet's flags as kubeadm passes them. The flags that init and join left in kubeadm-flags.env come first,
// so that `cloudless kubelet` alone starts the same node again.
#include <unistd.h>

#include <optional>

#include "base/files.hpp"
#include "cli/component.hpp"
#include "cli/control_plane_files.hpp"
#include "cli/kubelet_flags.hpp"
#include "cli/node_flags.hpp"
#include "client/kubeconfig.hpp"

namespace cloudless::cli {

namespace {

// Known upstream, without meaning here: what a KubeletConfiguration says better, tuning, and what other
// programs do.
void bind_ineffective(FlagSet& set) {
  using Takes = FlagSet::Takes;
  set.without_effect(Takes::kValue, {"address",
                                     "allowed-unsafe-sysctls",
                                     "authentication-token-webhook-cache-ttl",
                                     "authorization-mode",
                                     "authorization-webhook-cache-authorized-ttl",
                                     "authorization-webhook-cache-unauthorized-ttl",
                                     "cgroup-driver",
                                     "client-ca-file",
                                     "cloud-config",
                                     "cloud-provider",
                                     "cluster-dns",
                                     "cluster-domain",
                                     "config-dir",
                                     "container-log-max-files",
                                     "container-log-max-size",
                                     "cpu-cfs-quota-period",
                                     "cpu-manager-policy",
                                     "cpu-manager-policy-options",
                                     "cpu-manager-reconcile-period",
                                     "enforce-node-allocatable",
                                     "event-burst",
                                     "event-qps",
                                     "eviction-hard",
                                     "eviction-max-pod-grace-period",
                                     "eviction-minimum-reclaim",
                                     "eviction-pressure-transition-period",
                                     "eviction-soft",
                                     "eviction-soft-grace-period",
                                     "feature-gates",
                                     "file-check-frequency",
                                     "hairpin-mode",
                                     "healthz-bind-address",
                                     "healthz-port",
                                     "housekeeping-interval",
                                     "http-check-frequency",
                                     "image-credential-provider-bin-dir",
                                     "image-credential-provider-config",
                                     "image-gc-high-threshold",
                                     "image-gc-low-threshold",
                                     "image-service-endpoint",
                                     "kube-api-burst",
                                     "kube-api-content-type",
                                     "kube-api-qps",
                                     "kube-reserved",
                                     "kube-reserved-cgroup",
                                     "kubelet-cgroups",
                                     "lock-file",
                                     "log-flush-frequency",
                                     "max-open-files",
                                     "max-pods",
                                     "memory-manager-policy",
                                     "minimum-image-ttl-duration",
                                     "node-status-max-images",
                                     "node-status-update-frequency",
                                     "oom-score-adj",
                                     "pod-cidr",
                                     "pod-infra-container-image",
                                     "pod-max-pids",
                                     "pods-per-core",
                                     "provider-id",
                                     "qos-reserved",
                                     "read-only-port",
                                     "reserved-cpus",
                                     "reserved-memory",
                                     "resolv-conf",
                                     "root-dir",
                                     "runtime-cgroups",
                                     "runtime-request-timeout",
                                     "streaming-connection-idle-timeout",
                                     "sync-frequency",
                                     "system-cgroups",
                                     "system-reserved",
                                     "system-reserved-cgroup",
                                     "tls-cert-file",
                                     "tls-cipher-suites",
                                     "tls-min-version",
                                     "tls-private-key-file",
                                     "topology-manager-policy",
                                     "topology-manager-policy-options",
                                     "topology-manager-scope",
                                     "vmodule",
                                     "volume-plugin-dir",
                                     "volume-stats-agg-period"});
  set.without_effect(Takes::kTruth, {"anonymous-auth",
                                     "authentication-token-webhook",
                                     "cgroups-per-qos",
                                     "contention-profiling",
                                     "cpu-cfs-quota",
                                     "enable-controller-attach-detach",
                                     "enable-debugging-handlers",
                                     "enable-server",
                                     "exit-on-lock-contention",
                                     "fail-swap-on",
                                     "kernel-memcg-notification",
                                     "local-storage-capacity-isolation",
                                     "log-cadvisor-usage",
                                     "make-iptables-util-chains",
                                     "protect-kernel-defaults",
                                     "register-node",
                                     "registry-burst",
                                     "registry-qps",
                                     "rotate-certificates",
                                     "rotate-server-certificates",
                                     "runonce",
                                     "seccomp-default",
                                     "serialize-image-pulls"});
  set.refused({"manifest-url", "manifest-url-header"},
              "static pods are read from a folder alone; use --pod-manifest-path");
}

// Parses into `flags`; a status to exit with where help was asked for or the line makes no sense.
std::optional<int> parse(const std::vector<std::string>& arguments, KubeletFlags& flags) {
  FlagSet set;
  flags.bind(set);
  const auto status = parse_command_line("kubelet", set, arguments);
  flags.ineffective = set.ineffective();
  flags.layout.data_dir = flags.node.data_dir;
  return status;
}

NodeProgramOptions program_options(const KubeletFlags& flags, NodeAgentOptions agent) {
  NodeProgramOptions out;
  out.join.node_name = agent.node_name;
  out.join.node_ip = agent.node_ip;
  out.join.files = flags.layout.node_files();
  if (!flags.cert_dir.empty()) out.join.files.cert_dir = flags.cert_dir;
  if (!flags.kubeconfig.empty()) out.join.files.kubeconfig = flags.kubeconfig;
  out.join.discovery_file = flags.bootstrap_kubeconfig;
  out.agent = std::move(agent);
  out.facts_path = flags.layout.facts();
  out.api_servers_path = flags.layout.api_servers();
  out.kubelet_config_path = flags.config.empty() ? flags.layout.kubelet_config() : flags.config;
  out.waits_for_ready = false;
  return out;
}

}  // namespace

void KubeletFlags::bind(FlagSet& set) {
  node.bind(set);
  set.text("kubernetes-dir", layout.kubernetes_dir, "Where kubeconfigs, certificates and manifests lie");
  set.text("certificates-dir", layout.certificates_dir,
           "Where the cluster's certificates lie (default: pki below --kubernetes-dir)");
  set.text("config", config, "A KubeletConfiguration file (default: the one that init or join made)");
  set.text("kubeconfig", kubeconfig, "Who the node is (default: kubelet.conf below --kubernetes-dir)");
  set.text("bootstrap-kubeconfig", bootstrap_kubeconfig,
           "A kubeconfig with a bootstrap token, for a node that has no certificate yet");
  set.text("cert-dir", cert_dir, "Where the node's own certificates lie");
  set.text("pod-manifest-path", manifest_dir, "The folder of static pods");
  set.number("v", verbosity, "4 and more: log more");
  bind_ineffective(set);
}

Result<KubeletFlags> parse_kubelet_flags(std::vector<std::string> arguments) {
  KubeletFlags flags;
  FlagSet set;
  flags.bind(set);
  if (const auto parsed = set.parse(arguments); !parsed)
    return fail(Code::kInvalid, "the node agent's flags: {}", parsed.error().message);
  flags.ineffective = set.ineffective();
  flags.layout.data_dir = flags.node.data_dir;
  return flags;
}

Result<NodeProgramOptions> kubelet_options(const KubeletFlags& flags, const Logger& log) {
  NodeAgentOptions agent = TRY(flags.node.agent_options());
  agent.manifest_dir = flags.layout.manifest_dir();
  const std::string path = flags.config.empty() ? flags.layout.kubelet_config() : flags.config;
  const auto text = read_file(path);
  if (!text && !flags.config.empty()) return std::unexpected(text.error());
  if (text) {
    const auto unused = apply_kubelet_configuration(*text, agent);
    if (!unused) return wrap(unused.error(), "read {}", path);
    for (const std::string& field : *unused)
      log.debug("a field of the KubeletConfiguration has no effect here", {{"field", field}});
  }
  if (!flags.manifest_dir.empty()) agent.manifest_dir = flags.manifest_dir;
  NodeProgramOptions options = program_options(flags, std::move(agent));
  if (!flags.bootstrap_kubeconfig.empty()) {
    if (const auto config = client::load_kubeconfig(flags.bootstrap_kubeconfig))
      options.join.token = config->token;
  }
  options.control_plane = TRY(find_control_plane_files(flags.layout));
  return options;
}

namespace {

int run_kubelet(const std::vector<std::string>& given) {
  KubeletFlags first;
  if (const auto status = parse(given, first)) return *status;
  std::vector<std::string> arguments;
  if (const auto text = read_file(first.layout.kubelet_flags())) arguments = decode_flags_file(*text);
  arguments.insert(arguments.end(), given.begin(), given.end());
  KubeletFlags flags;
  if (const auto status = parse(arguments, flags)) return *status;
  if (flags.verbosity >= 4) flags.node.log.level = "debug";
  if (geteuid() != 0) return report_failure({Code::kPermissionDenied, "running pods needs root: use sudo"});
  const Logger early = flags.node.log.make_logger();
  notice_ineffective(flags.ineffective, early);
  auto options = kubelet_options(flags, early);
  if (!options) return report_failure(options.error());
  return run_service(flags.node.service(), [&](Logger log, const ReadyReport& ready) {
    return NodeProgram(std::move(*options), std::move(log)).run(ready, {});
  });
}

}  // namespace

void add_kubelet_command(CLI::App& app, Invocation& invocation) {
  // The whole line goes to a parser that knows the flags of the file, too.
  add_flag_set_command(app, invocation, "kubelet", "Run the agent of a node that init or join has set up",
                       run_kubelet);
}

}  // namespace cloudless::cli
