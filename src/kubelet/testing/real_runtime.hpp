// For tests: a containerd of their own in a temporary folder, with a busybox image and a pod network that is
// a namespace with an address and nothing else. Needs root and the Debian packages of
// scripts/packages-run.txt and busybox-static. What it leaves on the machine is a failure of the test that
// destroys it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kubelet/containerd/containerd.hpp"
#include "kubelet/cri/cri_client.hpp"
#include "kubelet/kubelet.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::kubelet::testing {

inline constexpr const char* kBusybox = "cloudless.test/busybox:1";

/// The address that every pod of the test network has.
inline constexpr const char* kPodIp = "10.99.0.2";

class RealRuntime {
 public:
  /// Why tests with a real runtime cannot run here; empty where they can.
  static std::string missing();

  RealRuntime();
  /// Removes all pods, containerd, and the folder, and checks that no trace of them is left.
  ~RealRuntime();

  const std::string& dir() const { return dir_; }
  /// Of an agent whose pods and files are this runtime's alone.
  Options agent_options() const;
  runtime::EventLoop& loop() { return loop_.loop(); }
  runtime::WorkerPool& pool() { return pool_; }
  Containerd& containerd() { return *containerd_; }
  cri::CriClient& cri() { return *client_; }

  /// Runs `task` on the loop to its end.
  template <class T>
  T run(runtime::Task<T> task) {
    return runtime::run_blocking(loop_.loop(), std::move(task));
  }

 private:
  runtime::Task<Result<>> start();
  runtime::Task<void> remove_pods();
  std::string socket() const;
  std::string cgroup_root() const;
  // Processes, mounts (network namespaces among them), cgroups and files of this runtime.
  std::vector<std::string> traces() const;

  std::string dir_;
  runtime::LoopThread loop_{"test-loop"};
  runtime::WorkerPool pool_{"test-pool", 4, 100};
  std::unique_ptr<Containerd> containerd_;
  std::unique_ptr<cri::CriClient> client_;
};

}  // namespace cloudless::kubelet::testing
