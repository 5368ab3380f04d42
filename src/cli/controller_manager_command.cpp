// `cloudless controller-manager`: kube-controller-manager's role with its flags, and beside it what else
// works on the cluster's objects (control_roles.hpp).
#include <algorithm>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "cli/cluster_facts.hpp"
#include "cli/component.hpp"
#include "cli/control_roles.hpp"
#include "cli/node_address.hpp"
#include "cli/node_flags.hpp"

namespace cloudless::cli {

namespace {

constexpr uint16_t kSecurePort = 10257;

struct ControllerManagerFlags {
  ComponentFlags component{.name = "kube-controller-manager", .secure_port = kSecurePort};
  std::vector<std::string> controllers{"*"};
  bool allocate_node_cidrs = false;
  std::string cluster_cidr;
  std::string service_cidr = "10.96.0.0/12";
  int64_t mask_v4 = 24;
  int64_t mask_v6 = 64;
  std::string root_ca;
  std::string token_key;
  std::string signing_certificate;
  std::string signing_key;
  Duration signing_duration = std::chrono::hours(24 * 365);
  std::string cluster_dns;
};

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// Upstream's list names controllers that are part of others here, or that there is nothing to do for.
void set_controllers(const ControllerManagerFlags& flags, const Logger& log, ControlRolesOptions& out) {
  const auto known = controllers::ControllerManager::known_controllers();
  out.controllers.controllers.clear();
  out.signs_cluster_info = false;
  for (const std::string& listed : flags.controllers) {
    const std::string_view name = trim(listed);
    const std::string_view plain = name.starts_with('-') ? name.substr(1) : name;
    if (is_one_of(plain, {"bootstrapsigner", "bootstrap-signer-controller", "tokencleaner",
                          "token-cleaner-controller"})) {
      if (plain == name) out.signs_cluster_info = true;
    } else if (plain == "*" || std::ranges::find(known, plain) != known.end()) {
      out.controllers.controllers.emplace_back(name);
    } else {
      log.warn("--controllers names one that does not run here", {{"name", plain}});
    }
  }
}

Result<ControlRolesOptions> roles_options(const ControllerManagerFlags& flags, const Logger& log) {
  ControlRolesOptions out;
  out.node_name = detect_node_name();
  set_controllers(flags, log, out);
  if (flags.allocate_node_cidrs && !flags.cluster_cidr.empty()) {
    out.controllers.node_ipam.cluster_cidrs = TRY(parse_subnets(flags.cluster_cidr));
    out.controllers.node_ipam.node_mask_v4 = static_cast<int>(flags.mask_v4);
    out.controllers.node_ipam.node_mask_v6 = static_cast<int>(flags.mask_v6);
  }
  if (!flags.root_ca.empty()) out.controllers.root_ca = TRY(read_file(flags.root_ca));
  if (!flags.token_key.empty())
    out.controllers.mint_token =
        token_minter(TRY(pki::PrivateKey::from_pem(TRY(read_file(flags.token_key)))));
  if (flags.signing_certificate.empty() != flags.signing_key.empty())
    return fail(Code::kInvalid,
                "--cluster-signing-cert-file and --cluster-signing-key-file must be specified together");
  if (!flags.signing_certificate.empty()) {
    out.controllers.cluster_signing_ca =
        pki::Ca{TRY(pki::Certificate::from_pem(TRY(read_file(flags.signing_certificate)))),
                TRY(pki::PrivateKey::from_pem(TRY(read_file(flags.signing_key))))};
  }
  out.controllers.cluster_signing_duration = flags.signing_duration;
  out.cluster_dns = flags.cluster_dns.empty()
                        ? cluster_dns_address(TRY(parse_subnets(flags.service_cidr)).front())
                        : TRY(net::IpAddress::parse(flags.cluster_dns));
  return out;
}

class Role final : public ComponentRole {
 public:
  Role(ControlRolesOptions options, const ComponentParts& parts)
      : roles_(std::move(options), parts.client, parts.informers, parts.loop, parts.random, parts.log) {}
  runtime::Task<Result<>> start() override { return roles_.start(); }
  runtime::Task<void> stop() override { return roles_.stop(); }

 private:
  ControlRoles roles_;
};

void bind_controllers(FlagSet& set, ControllerManagerFlags& flags) {
  set.list("controllers", flags.controllers, "'*' for all, 'foo' for one, '-foo' for all but one");
  set.truth("allocate-node-cidrs", flags.allocate_node_cidrs, "Give nodes their part of the pod network");
  set.text("cluster-cidr", flags.cluster_cidr, "The pods' network");
  set.text("service-cluster-ip-range", flags.service_cidr, "The Services' network");
  set.number("node-cidr-mask-size", flags.mask_v4, "A node's part, in bits");
  set.number("node-cidr-mask-size-ipv4", flags.mask_v4, "The same");
  set.number("node-cidr-mask-size-ipv6", flags.mask_v6, "A node's IPv6 part, in bits");
  set.text("root-ca-file", flags.root_ca, "The CA that pods are to trust");
  set.text("service-account-private-key-file", flags.token_key,
           "The key that signs tokens of Secrets for ServiceAccounts");
  set.text("cluster-signing-cert-file", flags.signing_certificate, "The CA that signs for nodes");
  set.text("cluster-signing-key-file", flags.signing_key, "Its key");
  set.duration("cluster-signing-duration", flags.signing_duration, "How long its certificates are valid");
  set.text("cluster-dns", flags.cluster_dns,
           "The DNS Service's address (default: the tenth of the Services' network)");
}

// Known upstream, without meaning here: tuning of its workers and periods, and what other programs do.
void bind_ineffective(FlagSet& set) {
  using Takes = FlagSet::Takes;
  set.without_effect(Takes::kValue, {"attach-detach-reconcile-sync-period",
                                     "cidr-allocator-type",
                                     "cloud-config",
                                     "cloud-provider",
                                     "cluster-name",
                                     "concurrent-cron-job-syncs",
                                     "concurrent-daemonset-syncs",
                                     "concurrent-deployment-syncs",
                                     "concurrent-endpoint-syncs",
                                     "concurrent-ephemeralvolume-syncs",
                                     "concurrent-gc-syncs",
                                     "concurrent-horizontal-pod-autoscaler-syncs",
                                     "concurrent-job-syncs",
                                     "concurrent-namespace-syncs",
                                     "concurrent-rc-syncs",
                                     "concurrent-replicaset-syncs",
                                     "concurrent-resource-quota-syncs",
                                     "concurrent-service-endpoint-syncs",
                                     "concurrent-service-syncs",
                                     "concurrent-serviceaccount-token-syncs",
                                     "concurrent-statefulset-syncs",
                                     "concurrent-ttl-after-finished-syncs",
                                     "concurrent-validating-admission-policy-status-syncs",
                                     "controller-shutdown-timeout",
                                     "controller-start-interval",
                                     "endpoint-updates-batch-period",
                                     "endpointslice-updates-batch-period",
                                     "external-cloud-volume-plugin",
                                     "flex-volume-plugin-dir",
                                     "horizontal-pod-autoscaler-cpu-initialization-period",
                                     "horizontal-pod-autoscaler-downscale-stabilization",
                                     "horizontal-pod-autoscaler-initial-readiness-delay",
                                     "horizontal-pod-autoscaler-sync-period",
                                     "horizontal-pod-autoscaler-tolerance",
                                     "large-cluster-size-threshold",
                                     "leader-migration-config",
                                     "legacy-service-account-token-clean-up-period",
                                     "max-endpoints-per-slice",
                                     "min-resync-period",
                                     "mirroring-concurrent-service-endpoint-syncs",
                                     "mirroring-endpointslice-updates-batch-period",
                                     "mirroring-max-endpoints-per-subset",
                                     "namespace-sync-period",
                                     "node-eviction-rate",
                                     "node-monitor-grace-period",
                                     "node-monitor-period",
                                     "node-startup-grace-period",
                                     "pv-recycler-increment-timeout-nfs",
                                     "pv-recycler-minimum-timeout-hostpath",
                                     "pv-recycler-minimum-timeout-nfs",
                                     "pv-recycler-pod-template-filepath-hostpath",
                                     "pv-recycler-pod-template-filepath-nfs",
                                     "pv-recycler-timeout-increment-hostpath",
                                     "pvclaimbinder-sync-period",
                                     "resource-quota-sync-period",
                                     "route-reconciliation-period",
                                     "secondary-node-eviction-rate",
                                     "terminated-pod-gc-threshold",
                                     "unhealthy-zone-threshold"});
  set.without_effect(Takes::kTruth, {"configure-cloud-routes", "disable-attach-detach-reconcile-sync",
                                     "disable-force-detach-on-timeout", "enable-dynamic-provisioning",
                                     "enable-garbage-collector", "enable-hostpath-provisioner",
                                     "enable-leader-migration", "use-service-account-credentials"});
  set.refused(
      {"cluster-signing-kube-apiserver-client-cert-file", "cluster-signing-kube-apiserver-client-key-file",
       "cluster-signing-kubelet-client-cert-file", "cluster-signing-kubelet-client-key-file",
       "cluster-signing-kubelet-serving-cert-file", "cluster-signing-kubelet-serving-key-file",
       "cluster-signing-legacy-unknown-cert-file", "cluster-signing-legacy-unknown-key-file"},
      "one CA signs for all; use --cluster-signing-cert-file and --cluster-signing-key-file");
}

int run(const std::vector<std::string>& arguments) {
  ControllerManagerFlags flags;
  FlagSet set;
  flags.component.bind(set);
  bind_controllers(set, flags);
  bind_ineffective(set);
  if (const auto status = parse_command_line("controller-manager", set, arguments)) return *status;
  const Logger log = flags.component.make_logger(set);
  notice_ineffective(set.ineffective(), log);
  const auto options = roles_options(flags, log);
  if (!options) return report_failure(options.error());
  return run_component(flags.component, log, [&options](const ComponentParts& parts) {
    return std::make_unique<Role>(*options, parts);
  });
}

}  // namespace

void add_controller_manager_command(CLI::App& app, Invocation& invocation) {
  add_flag_set_command(app, invocation, "controller-manager",
                       "Run the controllers by themselves (kube-controller-manager)", run);
}

}  // namespace cloudless::cli
