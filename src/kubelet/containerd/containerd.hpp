// Containerd: a containerd of our own, started and kept running.
//
// It lives in a folder of ours with a configuration that we write, in a session of its own. Its containers
// hang on shims, not on it: neither its end nor ours stops a pod. When we are killed it goes on running; the
// next start finds it by pid file and socket, and adopts it.
//
//   <dir>/containerd.toml, containerd.pid, containerd.log
//   <dir>/root              images and snapshots
//   <run_dir>/              socket and state
#pragma once

#include <memory>
#include <string>

#include "base/log.hpp"
#include "kubelet/containerd/config.hpp"
#include "runtime/scope.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::kubelet {

struct ContainerdOptions {
  std::string dir;      // "<data-dir>/containerd"
  std::string run_dir;  // a path shorter than 80 bytes: a socket's address holds 107
  std::string cni_bin_dir;
  std::string cni_conf_dir;
};

/// The path of its socket.
std::string containerd_socket(const ContainerdOptions& options);

class Containerd {
 public:
  static constexpr Duration kReadyLimit = std::chrono::seconds(30);
  static constexpr Duration kStopLimit = std::chrono::seconds(10);
  static constexpr Duration kFirstBackoff = std::chrono::milliseconds(200);
  static constexpr Duration kMaxBackoff = std::chrono::seconds(30);

  Containerd(ContainerdOptions options, runtime::WorkerPool& pool, Logger log);
  ~Containerd();

  /// Starts or adopts containerd and returns once its CRI answers, the pause image present; from then on it
  /// is started again, with back-off, whenever it ends. kNotFound names the Debian package that is missing.
  runtime::Task<Result<>> start();
  /// Ends supervision and containerd itself; its pods go on running.
  runtime::Task<void> stop();

  /// "unix:///..." for CriClient.
  std::string endpoint() const;
  /// The driver that containerd was told, for Options::cgroup_driver.
  CgroupDriver cgroup_driver() const;

  /// Makes an OCI archive's image known to pods. Blocks no loop.
  runtime::Task<Result<>> import_image(std::string archive);
  /// The same with a file.
  runtime::Task<Result<>> import_archive(std::string path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::kubelet
