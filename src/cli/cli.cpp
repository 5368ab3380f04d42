#include "cli/cli.hpp"

#include <CLI/CLI.hpp>

namespace cloudless::cli {

int run(int argc, char** argv) {
  CLI::App app("Kubernetes on your own hardware, as one program.", "cloudless");
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);
  return 0;
}

}  // namespace cloudless::cli
