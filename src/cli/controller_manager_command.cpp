// `cloudless controller-manager`: kube-controller-manager's role with its flags, and beside it what else
// works on the cluster's objects (control_roles.hpp).
#include <CLI/CLI.hpp>
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
  std::string controllers = "*";
  bool allocate_node_cidrs = false;
  std::string cluster_cidr;
  std::string service_cidr = "10.96.0.0/12";
  int mask_v4 = 24;
  int mask_v6 = 64;
  std::string root_ca;
  std::string signing_certificate;
  std::string signing_key;
  std::string signing_duration = "8760h";
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
  for (const std::string_view listed : split(flags.controllers, ',')) {
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
    out.controllers.node_ipam.node_mask_v4 = flags.mask_v4;
    out.controllers.node_ipam.node_mask_v6 = flags.mask_v6;
  }
  if (!flags.root_ca.empty()) out.controllers.root_ca = TRY(read_file(flags.root_ca));
  if (!flags.signing_certificate.empty()) {
    out.controllers.cluster_signing_ca =
        pki::Ca{TRY(pki::Certificate::from_pem(TRY(read_file(flags.signing_certificate)))),
                TRY(pki::PrivateKey::from_pem(TRY(read_file(flags.signing_key))))};
  }
  out.controllers.cluster_signing_duration = TRY(parse_duration(flags.signing_duration));
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

int run(const ControllerManagerFlags& flags) {
  const auto options = roles_options(flags, flags.component.log.make_logger());
  if (!options) return report_failure(options.error());
  return run_component(flags.component, [&options](const ComponentParts& parts) {
    return std::make_unique<Role>(*options, parts);
  });
}

void add_flags(CLI::App& command, ControllerManagerFlags& flags) {
  flags.component.add_to(
      command, {"--authentication-kubeconfig", "--authorization-kubeconfig", "--client-ca-file",
                "--cluster-name", "--requestheader-client-ca-file", "--service-account-private-key-file",
                "--use-service-account-credentials", "--v", "--feature-gates", "--profiling",
                "--terminated-pod-gc-threshold", "--node-monitor-grace-period", "--node-monitor-period",
                "--flex-volume-plugin-dir", "--configure-cloud-routes", "--cloud-provider",
                "--concurrent-deployment-syncs"});
  command
      .add_option("--controllers", flags.controllers, "'*' for all, 'foo' for one, '-foo' for all but one")
      ->capture_default_str();
  command.add_option("--allocate-node-cidrs", flags.allocate_node_cidrs,
                     "Give nodes their part of the pod network");
  command.add_option("--cluster-cidr", flags.cluster_cidr, "The pods' network");
  command.add_option("--service-cluster-ip-range", flags.service_cidr, "The Services' network")
      ->capture_default_str();
  command
      .add_option("--node-cidr-mask-size,--node-cidr-mask-size-ipv4", flags.mask_v4, "A node's part, in bits")
      ->capture_default_str();
  command.add_option("--node-cidr-mask-size-ipv6", flags.mask_v6, "A node's IPv6 part, in bits")
      ->capture_default_str();
  command.add_option("--root-ca-file", flags.root_ca, "The CA that pods are to trust");
  CLI::Option* certificate = command.add_option("--cluster-signing-cert-file", flags.signing_certificate,
                                                "The CA that signs for nodes");
  command.add_option("--cluster-signing-key-file", flags.signing_key, "Its key")->needs(certificate);
  command
      .add_option("--cluster-signing-duration", flags.signing_duration, "How long its certificates are valid")
      ->capture_default_str();
  command.add_option("--cluster-dns", flags.cluster_dns,
                     "The DNS Service's address (default: the tenth of the Services' network)");
}

}  // namespace

void add_controller_manager_command(CLI::App& app, Invocation& invocation) {
  auto flags = std::make_shared<ControllerManagerFlags>();
  CLI::App* command =
      app.add_subcommand("controller-manager", "Run the controllers by themselves (kube-controller-manager)");
  add_flags(*command, *flags);
  command->callback([flags, &invocation] { invocation.run = [flags] { return run(*flags); }; });
}

}  // namespace cloudless::cli
