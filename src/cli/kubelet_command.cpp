// `cloudless kubelet`: the agent of a node that `init`, `join` or kubeadm's documents have set up, with the
// kubelet's flags as kubeadm passes them. The flags that init and join left in kubeadm-flags.env come first,
// so that `cloudless kubelet` alone starts the same node again.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/files.hpp"
#include "cli/command.hpp"
#include "cli/control_plane_files.hpp"
#include "cli/kubelet_flags.hpp"
#include "cli/node_flags.hpp"
#include "client/kubeconfig.hpp"

namespace cloudless::cli {

namespace {

void add_flags(CLI::App& command, KubeletFlags& flags) {
  flags.node.add_to(command);
  command
      .add_option("--kubernetes-dir", flags.layout.kubernetes_dir,
                  "Where kubeconfigs, certificates and manifests lie")
      ->capture_default_str();
  command.add_option("--certificates-dir", flags.layout.certificates_dir,
                     "Where the cluster's certificates lie (default: pki below --kubernetes-dir)");
  command.add_option("--config", flags.config,
                     "A KubeletConfiguration file (default: the one that init or join made)");
  command.add_option("--kubeconfig", flags.kubeconfig,
                     "Who the node is (default: kubelet.conf below --kubernetes-dir)");
  command.add_option("--bootstrap-kubeconfig", flags.bootstrap_kubeconfig,
                     "A kubeconfig with a bootstrap token, for a node that has no certificate yet");
  command.add_option("--cert-dir", flags.cert_dir, "Where the node's own certificates lie");
  command.add_option("--pod-manifest-path", flags.manifest_dir, "The folder of static pods");
  for (const char* name : {"--pod-infra-container-image", "--cgroup-driver", "--fail-swap-on",
                           "--rotate-certificates", "--rotate-server-certificates", "--v"})
    command.add_option(name, flags.without_effect, "Taken for the kubelet's sake; has no effect")
        ->group("kubelet");
  for (CLI::Option* option : command.get_options()) {
    if (option->get_items_expected_max() == 1) option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
}

// Parses into `flags`; a status to exit with where help was asked for or the line makes no sense.
std::optional<int> parse(std::vector<std::string> arguments, KubeletFlags& flags) {
  CLI::App app("The agent of a node: the kubelet's role, and the node's network, addresses and names",
               "cloudless kubelet");
  add_flags(app, flags);
  std::ranges::reverse(arguments);  // as CLI11 wants a vector of them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kUsage;
  }
  return std::nullopt;
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
  out.kubelet_config_path = flags.config.empty() ? flags.layout.kubelet_config() : flags.config;
  out.waits_for_ready = false;
  return out;
}

}  // namespace

Result<KubeletFlags> parse_kubelet_flags(std::vector<std::string> arguments) {
  CLI::App app;
  KubeletFlags flags;
  add_flags(app, flags);
  std::ranges::reverse(arguments);
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return fail(Code::kInvalid, "the node agent's flags: {}", error.what());
  }
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
  first.layout.data_dir = first.node.data_dir;
  std::vector<std::string> arguments;
  if (const auto text = read_file(first.layout.kubelet_flags())) arguments = decode_flags_file(*text);
  arguments.insert(arguments.end(), given.begin(), given.end());
  KubeletFlags flags;
  if (const auto status = parse(std::move(arguments), flags)) return *status;
  flags.layout.data_dir = flags.node.data_dir;
  if (geteuid() != 0) return report_failure({Code::kPermissionDenied, "running pods needs root: use sudo"});
  auto options = kubelet_options(flags, flags.node.log.make_logger());
  if (!options) return report_failure(options.error());
  return run_service(flags.node.service(), [&](Logger log, const ReadyReport& ready) {
    return NodeProgram(std::move(*options), std::move(log)).run(ready, {});
  });
}

}  // namespace

void add_kubelet_command(CLI::App& app, Invocation& invocation) {
  CLI::App* kubelet = app.add_subcommand("kubelet", "Run the agent of a node that init or join has set up");
  // The whole line goes to a parser that knows the flags of the file, too.
  kubelet->set_help_flag();
  kubelet->allow_extras();
  kubelet->callback([kubelet, &invocation] {
    invocation.run = [arguments = kubelet->remaining()] { return run_kubelet(arguments); };
  });
}

}  // namespace cloudless::cli
