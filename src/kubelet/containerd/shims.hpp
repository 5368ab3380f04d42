// Shims: the processes between containerd and its pods. A shim is told its containerd's socket on its command
// line and adopts whatever its containers leave behind, so all that runs in pods of one containerd is found
// from there, even where containerd itself is gone or damaged.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace cloudless::kubelet {

/// The shims of the containerd that listens on `socket`.
std::vector<pid_t> shims_of(const std::string& socket);

/// Kills every process in these pods, then the shims: for what could not be ended through containerd, which
/// must not run any more. Blocks for up to kEndShimsLimit; kDeadlineExceeded names what is still there.
Result<> end_shims(const std::string& socket);

inline constexpr std::chrono::seconds kEndShimsLimit{10};

}  // namespace cloudless::kubelet
