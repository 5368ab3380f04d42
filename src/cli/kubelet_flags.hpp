// The flags of `cloudless kubelet`, as a value: `init` and `join` run the node by the same flags that they
// leave for `kubelet` to run it by again.
#pragma once

#include <string>
#include <vector>

#include "cli/node_flags.hpp"
#include "cli/node_layout.hpp"
#include "cli/node_program.hpp"

namespace cloudless::cli {

struct KubeletFlags {
  NodeFlags node;
  NodeLayout layout;
  std::string config;
  std::string kubeconfig;
  std::string bootstrap_kubeconfig;
  std::string cert_dir;
  std::string manifest_dir;
  int64_t verbosity = 0;
  /// Flags of the kubelet that were given and change nothing here.
  std::vector<std::string> ineffective;

  void bind(FlagSet& set);
};

/// kInvalid for a flag that is none.
Result<KubeletFlags> parse_kubelet_flags(std::vector<std::string> arguments);

/// Reads the configuration file and what `init` has left. Blocking.
Result<NodeProgramOptions> kubelet_options(const KubeletFlags& flags, const Logger& log);

}  // namespace cloudless::cli
