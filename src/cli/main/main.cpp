#include <iostream>

#include "cli/cli.hpp"
#include "network/cni.hpp"

int main(int argc, char** argv) {
  // The container runtime calls the same program as its network plugin.
  if (cloudless::network::is_cni_invocation(argv[0])) {
    return cloudless::network::run_cni_plugin(std::cin, std::cout);
  }
  return cloudless::cli::run(argc, argv);
}
