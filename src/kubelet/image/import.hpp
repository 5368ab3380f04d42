// Images that no registry has to be asked for: an OCI archive, handed to containerd by its own ctr.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace cloudless::kubelet {

inline constexpr std::chrono::minutes kImportLimit{5};

struct ImportTarget {
  std::string socket;
  /// Where layers are unpacked; empty: the runtime's default.
  std::string snapshotter;
};

/// Makes the archive's image known to pods. kUnavailable where `socket` is no containerd's: other runtimes
/// have no such way. Blocking.
Result<> import_archive(const ImportTarget& target, const std::string& archive);

/// A CRI endpoint's socket: "unix:///run/x.sock" or the path itself.
std::string socket_of_endpoint(const std::string& endpoint);

}  // namespace cloudless::kubelet
