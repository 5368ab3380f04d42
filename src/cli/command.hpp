// How commands join the command line: each file of cli/ adds its own, main parses, and the one that was
// chosen runs.
//
//     void add_store_commands(CLI::App& app, Invocation& invocation) {
//       auto options = std::make_shared<StoreOptions>();
//       CLI::App* command = app.add_subcommand("store", "...");
//       command->add_option("--endpoint", options->endpoint, "...");
//       command->callback([options, &invocation] { invocation.run = [options] { return run_store(*options);
//       }; });
//     }
#pragma once

#include <functional>

#include "base/log.hpp"

namespace CLI {
class App;
}

namespace cloudless::cli {

/// Exit statuses, as kubeadm's: 1 for a failure, 2 for a command line that makes no sense.
inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;
inline constexpr int kUsage = 2;

struct Invocation {
  /// The chosen command; returns the exit status.
  std::function<int()> run;
};

/// The flags that every long-running command has.
struct LogOptions {
  std::string level = "info";
  std::string format = "text";

  void add_to(CLI::App& command);
  Logger make_logger() const;
};

/// Prints "error: ..." on standard error; the status to exit with.
int report_failure(const Error& error);

/// Parses the command line and runs the chosen command; the status to exit with.
int run_command_line(CLI::App& app, const Invocation& invocation, int argc, char** argv);

void add_api_server_command(CLI::App& app, Invocation& invocation);
void add_controller_manager_command(CLI::App& app, Invocation& invocation);
void add_image_commands(CLI::App& app, Invocation& invocation);
void add_reset_command(CLI::App& app, Invocation& invocation);
void add_init_command(CLI::App& app, Invocation& invocation);
void add_join_command(CLI::App& app, Invocation& invocation);
void add_kubelet_command(CLI::App& app, Invocation& invocation);
void add_status_command(CLI::App& app, Invocation& invocation);
void add_scheduler_command(CLI::App& app, Invocation& invocation);
void add_token_commands(CLI::App& app, Invocation& invocation);
void add_up_command(CLI::App& app, Invocation& invocation);
void add_store_commands(CLI::App& app, Invocation& invocation);
void add_version_command(CLI::App& app, Invocation& invocation);

}  // namespace cloudless::cli
