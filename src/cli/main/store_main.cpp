// cloudless-store: `cloudless store` as a program of its own, for machines that need nothing else.
#include <CLI/CLI.hpp>

#include "cli/command.hpp"

int main(int argc, char** argv) {
  using namespace cloudless::cli;
  CLI::App app("etcd's API on SQLite and PostgreSQL.", "cloudless-store");
  app.require_subcommand(1);
  Invocation invocation;
  add_store_commands(app, invocation);
  return run_command_line(app, invocation, argc, argv);
}
