// Static pods: the pods of a folder of manifests, run without being asked by any API
// (pkg/kubelet/config/file.go).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "kubelet/pod/pod_runtime.hpp"

namespace cloudless::kubelet {

inline constexpr size_t kMaxManifestBytes = 10 << 20;  // as upstream

/// A pod from a manifest's text (YAML or JSON): defaults filled in, named "<name>-<node>", with a uid that
/// follows from the content, annotated as of source "file". kInvalid where it is no pod, or names what only
/// the API has (config maps, secrets, service accounts).
Result<core::Pod> parse_static_pod(std::string_view text, const std::string& path,
                                   const std::string& node_name, WallTime seen);

/// The manifests of a folder by path, hidden files left out; broken ones are in `errors`. Blocks briefly.
struct ManifestFolder {
  std::map<std::string, core::Pod> pods;
  std::map<std::string, Error> errors;
};
ManifestFolder read_manifests(const std::string& dir, const std::string& node_name, WallTime seen);

/// Returns when something in `dir` has changed since the last call with the same watch; on an EventLoop.
class FolderWatch {
 public:
  /// Begins to watch; the folder must exist.
  static runtime::Task<Result<std::unique_ptr<FolderWatch>>> open(std::string dir);
  ~FolderWatch();
  runtime::Task<Result<>> changed();

 private:
  struct State;
  explicit FolderWatch(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::kubelet
