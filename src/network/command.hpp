// Child programs that finish at once (nft, conntrack): run, wait, and tell what they said on failure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cloudless::network {

struct CommandOutput {
  int status = 0;  // of exit; 128 + n for signal n
  std::string output;
  std::string errors;
};

/// Runs `program` (found in PATH and the sbin directories) with `input` as its standard input. Blocking; in
/// the calling thread's network namespace. kNotFound where there is no such program.
Result<CommandOutput> run_command(const std::string& program, const std::vector<std::string>& arguments,
                                  std::string_view input);

/// Applies a script of nft commands as one transaction (`nft -f -`). kUnavailable with nft's own words, or
/// naming the Debian package where nft is missing; kPermissionDenied where we may not change rules.
Result<> run_nft(std::string_view script);

}  // namespace cloudless::network
