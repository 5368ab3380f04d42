// Waiting for a node to be Ready, so that a command may say so.
#pragma once

#include <string>

#include "client/informers.hpp"

namespace cloudless::cli {

inline constexpr Duration kNodeReadyLimit = std::chrono::seconds(120);

/// kDeadlineExceeded where the node is not Ready after kNodeReadyLimit.
runtime::Task<Result<>> wait_until_ready(client::Informers& informers, std::string node_name);

}  // namespace cloudless::cli
