// Volumes: the folders and files that pods mount, below
// <root_dir>/pods/<uid>/volumes/kubernetes.io~<kind>/<name>.
//
// mount() is idempotent: it runs again after a restart of the agent and whenever content may have changed,
// and then rewrites only what differs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/kubelet.hpp"
#include "kubelet/volumes/payload.hpp"

namespace cloudless::kubelet {

struct IssuedToken {
  std::string token;
  WallTime expires;
};

/// Where pods' objects come from: the API server, or a test. Reads fail with kNotFound for what does not
/// exist.
class ObjectSource {
 public:
  virtual ~ObjectSource() = default;
  virtual runtime::Task<Result<core::ConfigMap>> config_map(std::string ns, std::string name) = 0;
  virtual runtime::Task<Result<core::Secret>> secret(std::string ns, std::string name) = 0;
  /// A token of the pod's service account, bound to the pod (TokenRequest).
  virtual runtime::Task<Result<IssuedToken>> token(const core::Pod& pod, std::string audience,
                                                   int64_t expiration_seconds) = 0;
  /// The Services that pods see in their environment; an error where they are not known yet.
  virtual Result<std::vector<std::shared_ptr<const core::Service>>> services() = 0;
};

/// Reads what is named; what does not exist is left out.
runtime::Task<Result<NamedObjects>> read_named(ObjectSource& source, std::string ns, ObjectNames names);

class Volumes {
 public:
  Volumes(const Options& options, ObjectSource& source, runtime::WorkerPool& pool);

  /// The host path of each volume by name. Errors in upstream's words:
  /// MountVolume.SetUp failed for volume "x" : configmap "y" not found.
  runtime::Task<Result<std::map<std::string, std::string>>> mount(const core::Pod& pod, DownwardFacts facts);
  /// True where a volume's content comes from objects that may change, so that mount() is worth repeating.
  static bool changes(const core::Pod& pod);
  /// Unmounts and removes the pod's whole folder.
  runtime::Task<Result<>> unmount(std::string uid);

 private:
  struct KnownToken {
    IssuedToken issued;
    WallTime refresh_at;
  };
  runtime::Task<Result<std::string>> mount_one(const core::Pod& pod, const core::Volume& volume,
                                               DownwardFacts facts);
  runtime::Task<Result<std::string>> mount_payload(const core::Pod& pod, const core::Volume& volume,
                                                   DownwardFacts facts);
  runtime::Task<Result<std::string>> token(const core::Pod& pod,
                                           core::ServiceAccountTokenProjection projection);

  const Options& options_;
  ObjectSource& source_;
  runtime::WorkerPool& pool_;
  std::map<std::string, KnownToken> tokens_;  // by pod uid and token_key()
};

/// The container's mounts of volumes. subPath and subPathExpr are resolved and made where missing; a link
/// that leads out of the volume is refused. `environment`: for subPathExpr. Blocks briefly.
Result<std::vector<cri::Mount>> volume_mounts(const core::Container& container,
                                              const std::map<std::string, std::string>& volume_paths,
                                              const Environment& environment);

}  // namespace cloudless::kubelet
