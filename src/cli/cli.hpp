// The command line of cloudless.
#pragma once

namespace cloudless::cli {

/// Runs the command that `argv` names; returns the exit status.
int run(int argc, char** argv);

}  // namespace cloudless::cli
