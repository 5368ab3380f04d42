// A program that goes on running: one per data directory, in the foreground or, once it is ready, in the
// background.
#pragma once

#include <functional>
#include <string>

#include "cli/command.hpp"

namespace cloudless::cli {

struct ServiceOptions {
  std::string data_dir;
  /// The command returns when the program is ready, which goes on with its log in <data_dir>/cloudless.log.
  bool detach = false;
  LogOptions log;
};

/// Called once with what to tell the user when the program works.
using ReadyReport = std::function<void(const std::string& message)>;

/// Takes the data directory's lock and runs `body`, which blocks until the program ends. The exit status.
int run_service(const ServiceOptions& options,
                const std::function<Result<>(Logger log, const ReadyReport& ready)>& body);

}  // namespace cloudless::cli
