// Load on an API server over HTTPS, as its clients see it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace cloudless::bench {

struct LoadResult {
  double per_second = 0;
  double bytes_per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  int64_t failed = 0;
};

struct WatchResult {
  double events_per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  /// Watchers that did not see every event.
  int64_t incomplete = 0;
};

/// The administrator of a cluster, with connections that all calls share as client-go's do.
class ApiLoad {
 public:
  /// Ends the process with the reason when the kubeconfig cannot be used.
  explicit ApiLoad(const std::string& kubeconfig);
  ~ApiLoad();

  void make_namespace(const std::string& name);
  /// `total` pods of a usual size, numbered from `first`, by `clients` callers with one request of each under
  /// way.
  LoadResult create_pods(const std::string& ns, int clients, int first, int total);
  /// `repeats` lists of all pods of a namespace, or of all namespaces where it is empty, one at a time.
  LoadResult list_pods(const std::string& ns, const std::string& accept, int repeats);
  /// `watchers` of the namespace's ConfigMaps while one of them is written `writes` times, `interval` apart.
  WatchResult watch(const std::string& ns, int watchers, int writes, std::chrono::milliseconds interval);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::bench
