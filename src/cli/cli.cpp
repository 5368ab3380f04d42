#include "cli/cli.hpp"

#include <CLI/CLI.hpp>

#include "cli/command.hpp"

namespace cloudless::cli {

int run(int argc, char** argv) {
  CLI::App app("Kubernetes on your own hardware, as one program.", "cloudless");
  app.require_subcommand(1);
  Invocation invocation;
  add_up_command(app, invocation);
  add_init_command(app, invocation);
  add_join_command(app, invocation);
  add_token_commands(app, invocation);
  add_reset_command(app, invocation);
  add_status_command(app, invocation);
  add_kubelet_command(app, invocation);
  add_api_server_command(app, invocation);
  add_controller_manager_command(app, invocation);
  add_scheduler_command(app, invocation);
  add_image_commands(app, invocation);
  add_store_commands(app, invocation);
  add_version_command(app, invocation);
  return run_command_line(app, invocation, argc, argv);
}

}  // namespace cloudless::cli
