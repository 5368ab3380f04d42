#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/command.hpp"

namespace cloudless::cli {

void add_version_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command = app.add_subcommand("version", "Print the version");
  command->callback([&invocation] {
    invocation.run = [] {
      fmt::print("cloudless {}\nKubernetes v1.35\n", CLOUDLESS_VERSION);
      return kSuccess;
    };
  });
}

}  // namespace cloudless::cli
